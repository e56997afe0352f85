"""What a chat model says of itself in traces, caches and metadata: never with a key in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.language_models import LangSmithParams, ModelProfile
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately
from pydantic import SecretStr

from rsd_graph.answer.flops import PerRole
from rsd_graph.answer.options import declared, names_of
from rsd_graph.chat_models.options import ChatOptions
from rsd_graph.chat_models.parts import seated
from rsd_graph.embedded.card import known_parameters
from rsd_graph.embedded.scope import is_shipped
from rsd_graph.embedded.task import CONTEXT
from rsd_graph.providers.address import bare
from rsd_graph.providers.http.endpoint import without_credentials
from rsd_graph.providers.names import public_name
from rsd_graph.stacks.settings import ROLES


def public(value: object) -> str:
    """*value* as text; a key inside an endpoint string is left out."""
    return without_credentials(str(value))


def model_name(target: object) -> str:
    """The name of an answer's model: its target, by endpoint string, address, or its own name."""
    if isinstance(target, BaseChatModel):
        return public_name(seated(target, "target")).model
    return public(getattr(target, "endpoint", target))


class Named(ChatOptions):
    """What LangChain asks a chat model about itself."""

    @property
    def sizes(self) -> PerRole | None:
        """Parameter counts of the three models, if given or known."""
        known = self.parameters or known_parameters(*map(bare, (self.draft, self.target, self.prm)))
        return PerRole(**known) if known else None

    def get_num_tokens(self, text: str) -> int:
        """About as many tokens as *text* has: a fourth of its characters, no server is asked."""
        return self.get_num_tokens_from_messages([HumanMessage(text)])

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """About as many tokens as *messages* and *tools* have, for trimming histories."""
        return count_tokens_approximately(messages, tools=list(tools or []))

    def _resolve_model_profile(self) -> ModelProfile:
        """What LangChain may ask of it; how much your endpoints can read, only you know.

        Tell it with `ChatRSD(..., profile={"max_input_tokens": 32768})`: summaries of a history
        begin at a fraction of it.
        """
        # Not `structured_output`: with tools bound too, servers hold tool calls to that schema.
        can = ModelProfile(text_inputs=True, text_outputs=True, structured_output=False)
        if any(is_shipped(getattr(self, role)) for role in ROLES):
            return can | ModelProfile(tool_calling=False, max_input_tokens=CONTEXT)
        return can | ModelProfile(tool_calling=True)

    @property
    def _llm_type(self) -> str:
        return "rsd"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """Everything that decides the answer: the key of LangChain's caches."""
        names = (*ROLES, *names_of("answer"))
        values = {name: getattr(self, name) for name in names}
        if not isinstance(self.accept, str):
            values["accept"] = self.criterion
        return {name: public(self.shared.identity(value)) for name, value in values.items()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        """What LangSmith shows of one call."""
        target = kwargs.get("model", kwargs.get("target", self.target))
        params = LangSmithParams(
            ls_provider="rsd",
            ls_model_type="chat",
            ls_model_name=public_name(seated(target, "target")).model,
            ls_temperature=kwargs.get("temperature", self.temperature),
            ls_max_tokens=kwargs.get("max_tokens", self.max_tokens),
        )
        if stop := stop or self.stop:
            params["ls_stop"] = stop
        return params

    def __getstate__(self) -> dict[Any, Any]:
        """What is pickled: all but the key, which the environment of the other process has."""
        state = super().__getstate__()
        if self.api_key is not None:
            state["__dict__"] = {**state["__dict__"], "api_key": SecretStr("")}
        return state

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """The models and what decides, and whatever else is not as usual; never a key."""
        always = (*ROLES, "delta" if self.accept is None else "accept")
        others = (name for name in (*declared(), "streaming") if name not in always)
        for name in (*always, *others):
            value = getattr(self, name)
            if name in always or value != type(self).model_fields[name].default:
                yield name, public(value) if isinstance(value, str) else value
