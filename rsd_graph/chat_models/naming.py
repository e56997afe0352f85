"""How a chat model names itself in traces, caches and metadata: never with a key in it."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel

from rsd_graph.chat_models.options import CONNECTION, WAITING, ChatOptions
from rsd_graph.providers.http.endpoint import without_credentials


def public(value: object) -> str:
    """*value* as text; a key inside an endpoint string is left out."""
    return without_credentials(str(value))


def model_name(target: object) -> str:
    """The name of an answer's model: its target, by endpoint string, address or class."""
    return public(getattr(target, "endpoint", target))


def identifying_params(model: ChatOptions) -> dict[str, Any]:
    """Every field that changes the answer: the key of LangChain's caches."""
    hidden = {*CONNECTION, *WAITING, "streaming", "parameters", "prices", "shared"}
    own = {*type(model).model_fields} - {*BaseChatModel.model_fields} - hidden
    return {name: public(getattr(model, name)) for name in sorted(own)}


def langsmith_params(
    model: ChatOptions, stop: list[str] | None, overrides: dict[str, Any]
) -> LangSmithParams:
    """What LangSmith shows of one call."""
    target = overrides.get("model", overrides.get("target", model.target))
    params = LangSmithParams(
        ls_provider="rsd",
        ls_model_type="chat",
        ls_model_name=model_name(target),
        ls_temperature=overrides.get("temperature", model.temperature),
        ls_max_tokens=overrides.get("max_tokens", model.max_tokens),
    )
    if stop := stop or model.stop:
        params["ls_stop"] = stop
    return params
