"""The three models in their seats: objects as they are, strings as the providers they name."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import Runnable

from rsd_graph.answer.options import names_of
from rsd_graph.chat_models.shared import Shared
from rsd_graph.embedded.engine import parse_name
from rsd_graph.errors import CapabilityError, Role
from rsd_graph.providers.adapted import adapted
from rsd_graph.providers.address import parted
from rsd_graph.providers.base import Models, RewardModelLike, StepModelLike
from rsd_graph.providers.prm.spelled import rewritten
from rsd_graph.providers.registry import reward_model, step_model
from rsd_graph.providers.wires.chat import ChatStepModel

T = TypeVar("T")

_EMBEDDED = re.compile(r"(?P<family>[\w-]+\+)?embedded:(?P<name>.+)")


class Seats(Protocol):
    """What is said of the three models, and what was made of it before."""

    @property
    def draft(self) -> str | StepModelLike | BaseChatModel:
        """The draft."""
        ...

    @property
    def target(self) -> str | StepModelLike | BaseChatModel:
        """The target."""
        ...

    @property
    def prm(self) -> str | RewardModelLike:
        """The PRM."""
        ...

    @property
    def shared(self) -> Shared:
        """Where models are kept that are built once."""
        ...


def parts(model: Seats, *, serving: bool = True) -> Models:
    """The models in their seats; those named by strings are built once, embedded ones served.

    Unless *serving*, embedded models have to be there, but none is started.

    Raises:
        ConfigurationError: A string names no model, or an embedded one cannot be served.
    """
    connection = {name: getattr(model, name) for name in names_of("connection")}

    def made(role: Role, spec: str | T, make: Callable[..., T]) -> T:
        if not isinstance(spec, str):
            return make(spec)
        reached = spec if serving else rewritten(spec, _unserved)
        key = ("model", role, spec, reached == spec, *connection.values())
        return model.shared.once(key, lambda: make(reached, **connection))

    return adapted(
        made("draft", seated(model.draft, "draft"), partial(step_model, role="draft")),
        made("target", seated(model.target, "target"), partial(step_model, role="target")),
        made("prm", seated_prm(model.prm), reward_model),
    )


def seated(model: str | StepModelLike | BaseChatModel, role: Role) -> str | StepModelLike:
    """*model* in the seat of draft or target; a LangChain chat model writes one step a message.

    Raises:
        CapabilityError: A runnable that is no chat model.
    """
    if isinstance(model, BaseChatModel):
        return ChatStepModel(model, role=role)
    if isinstance(model, Runnable):
        raise CapabilityError(
            f"{type(model).__name__} is a runnable, and no chat model.",
            role=role,
            expected="the chat model itself, such as ChatOpenAI(...)",
            hint="What was bound to it goes into its constructor, or ChatStepModel(options=...).",
        )
    return model


def seated_prm(model: str | RewardModelLike | Runnable[Any, Any]) -> str | RewardModelLike:
    """*model* in the seat of the PRM.

    Raises:
        CapabilityError: It is LangChain's, and gives no rewards.
    """
    if isinstance(model, Runnable):
        raise CapabilityError(
            f"{type(model).__name__} writes messages, not rewards.",
            role="prm",
            expected="a PRM",
            hint="Ask it in a function of yours: FunctionPRM(lambda question, steps: ...).",
        )
    return model


def _unserved(spec: str) -> str:
    """An embedded model as it would be reached if it were served; it has to be there."""
    embedded = _EMBEDDED.fullmatch(spec)
    if embedded is None:
        return spec
    name, options = parted(embedded["name"])
    parse_name(name)
    query = "?" + urlencode(options) if options else ""
    return f"{embedded['family'] or ''}llamacpp+http://embedded{query}"
