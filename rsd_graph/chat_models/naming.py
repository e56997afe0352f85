"""What a chat model says of itself in traces, caches and metadata: never with a key in it."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import LangSmithParams, ModelProfile
from langchain_core.language_models.chat_models import BaseChatModel

from rsd_graph.answer.options import names_of
from rsd_graph.chat_models.options import ChatOptions
from rsd_graph.chat_models.parts import seated
from rsd_graph.embedded.scope import is_shipped
from rsd_graph.embedded.task import CONTEXT
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


def identifying_params(model: ChatOptions) -> dict[str, Any]:
    """Everything that decides the answer: the key of LangChain's caches."""
    names = (*ROLES, *names_of("answer"))
    values = {name: getattr(model, name) for name in names}
    if not isinstance(model.accept, str):
        values["accept"] = model.criterion
    return {name: public(model.shared.identity(value)) for name, value in values.items()}


def langsmith_params(
    model: ChatOptions, stop: list[str] | None, overrides: dict[str, Any]
) -> LangSmithParams:
    """What LangSmith shows of one call."""
    target = overrides.get("model", overrides.get("target", model.target))
    params = LangSmithParams(
        ls_provider="rsd",
        ls_model_type="chat",
        ls_model_name=public_name(seated(target, "target")).model,
        ls_temperature=overrides.get("temperature", model.temperature),
        ls_max_tokens=overrides.get("max_tokens", model.max_tokens),
    )
    if stop := stop or model.stop:
        params["ls_stop"] = stop
    return params


def model_profile(model: ChatOptions) -> ModelProfile:
    """What LangChain may ask of *model*; how much your endpoints can read, only you know.

    Tell it with `ChatRSD(..., profile={"max_input_tokens": 32768})`: summaries of a history begin
    at a fraction of it.
    """
    # Not `structured_output`: with tools bound too, servers hold tool calls to that schema.
    can = ModelProfile(text_inputs=True, text_outputs=True, structured_output=False)
    if any(is_shipped(getattr(model, role)) for role in ROLES):
        return can | ModelProfile(tool_calling=False, max_input_tokens=CONTEXT)
    return can | ModelProfile(tool_calling=True)
