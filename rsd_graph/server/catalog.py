"""What the server offers: each stack as a model, and its draft and its target alone.

math            RSD, as `ChatRSD` answers
math@0.8        the same with another delta, for clients that can only name a model
math:draft      the draft alone
math:target     the target alone
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_core.language_models.chat_models import BaseChatModel

from rsd_graph.acceptance import constant
from rsd_graph.answer.actions import Actions
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.options import did_you_mean
from rsd_graph.answer.state import Candidate
from rsd_graph.chat_models import ChatRSD
from rsd_graph.providers.base import Prefix, Scores, StepModel, StepRequest
from rsd_graph.providers.registry import step_model
from rsd_graph.providers.wires.chat import ChatStepModel
from rsd_graph.server.failures import RefusedError
from rsd_graph.stacks.config import load_config

SHIPPED = "rsd-shipped"
"""The name of the models that come with the package."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A model by the name a client gave, and the options that name stands for."""

    stack: str
    llm: ChatRSD
    options: Mapping[str, object]


class Catalog:
    """The models of one server, by name."""

    def __init__(self, stacks: Mapping[str, ChatRSD]) -> None:
        self._models = dict(stacks)
        for name, llm in stacks.items():
            self._models |= {f"{name}:{role}": alone(llm, role) for role in ("draft", "target")}

    @classmethod
    def from_config(cls, path: str | Path | None) -> Catalog:
        """Every stack of a file; without one, the shipped models.

        Raises:
            ConfigurationError: The file or one of its stacks is wrong.
        """
        if path is None:
            return cls({SHIPPED: ChatRSD()})
        return cls({name: ChatRSD.from_config(path, name) for name in load_config(path).stacks})

    @property
    def names(self) -> Sequence[str]:
        """What `/v1/models` lists."""
        return list(self._models)

    def __getitem__(self, name: str) -> ChatRSD:
        return self._models[name]

    def offered(self, name: str) -> Offered:
        """The model a client means by *name*.

        Raises:
            RefusedError: There is none, or its delta is no number.
        """
        stack, at, delta = name.partition("@")
        if stack not in self._models:
            raise RefusedError(
                f"There is no model {stack!r}. {did_you_mean(stack, self._models)}",
                status=404,
                param="model",
                code="model_not_found",
            )
        return Offered(stack, self._models[stack], {"delta": _delta(delta)} if at else {})


def _delta(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RefusedError(f"{text!r} is no delta.", param="model") from None


def alone(llm: ChatRSD, role: str) -> ChatRSD:
    """One model of a stack, answering alone, step by step.

    It sits in the target's seat, where its tokens are booked, and no draft is ever proposed.
    """
    model = getattr(llm, role)
    decided = {"draft", "target", "prm", "delta", "lookahead", "max_waste", "hedge"}
    options = {name: getattr(llm, name) for name in llm.model_fields_set - decided}
    no_draft = _NoChatDraft if isinstance(model, BaseChatModel) else _NoDraft
    options |= {"draft": no_draft(model), "target": model, "prm": _NoPRM()}
    return ChatRSD(**{**options, "accept": constant(1.0)})


class _NoDraft:
    """Proposes no text, at no cost: what is not a whole step goes to the target unscored.

    With tools the step is an action, which a chat API writes: the one of the model itself.
    """

    def __init__(self, model: str | StepModel) -> None:
        self._model = model

    @property
    def endpoint(self) -> object:
        """Where actions are asked for."""
        return getattr(step_model(self._model, "target"), "endpoint", None)

    async def write_step(self, request: StepRequest) -> Candidate:
        return Candidate(text="", ended="length", logprob=None, usage=usage(calls=0))


class _NoChatDraft(_NoDraft):
    """The same for a LangChain model, which acts in a way of its own."""

    def __init__(self, model: BaseChatModel) -> None:
        self._chat = ChatStepModel(model, role="target")
        super().__init__(self._chat)

    def acting(self, actions: Actions, *, checked: bool) -> StepModel:
        """See `Acting.acting`."""
        return self._chat.acting(actions, checked=checked)


class _NoPRM:
    """Is never asked, but for actions, which it takes as they are."""

    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        return Scores([1.0] * len(candidates), usage(calls=0))
