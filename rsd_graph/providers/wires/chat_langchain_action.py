"""Tools and structured output of a LangChain chat model, in the words all integrations share."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rsd_graph.answer.actions import Actions
from rsd_graph.answer.ledger import timed, usage
from rsd_graph.answer.state import Candidate, FunctionCall, ToolCall
from rsd_graph.errors import CapabilityError, ContextOverflowError
from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.names import Name
from rsd_graph.providers.wires.chat_action import mark_invalid
from rsd_graph.providers.wires.chat_langchain import LangChainRoute, is_cut

if TYPE_CHECKING:  # whoever has such a model has loaded LangChain
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable


class LangChainActionModel:
    """A `StepModel` whose one step is what a LangChain chat model does next: text, calls, or both.

    Args:
        route: To the model.
        options: Further options of each call; `None` leaves one out.
        actions: What may be done.
        checked: See `ChatActionModel`.

    Raises:
        CapabilityError: Its integration has no tools, or no answers of that form.
        ConfigurationError: A tool's schema is not a JSON schema.
    """

    operation: ClassVar[str] = "chat"
    """What OpenTelemetry calls it."""

    def __init__(
        self,
        route: LangChainRoute,
        options: Mapping[str, object],
        actions: Actions,
        *,
        checked: bool,
    ) -> None:
        actions.check_schemas()
        self._route = route
        self._options = dict(options)
        self._actions = actions
        self._checked = checked
        try:
            self._model = (
                _in_form(route, actions) if actions.response_format else _tooled(route, actions)
            )
        except NotImplementedError:
            what = "structured output" if actions.response_format else "tools"
            raise route.error(
                CapabilityError,
                f"{route} cannot be given {what}: its LangChain integration does not offer them.",
                expected="a chat model with bind_tools, such as ChatOpenAI or ChatAnthropic",
            ) from None

    @property
    def public_name(self) -> Name:
        """As its integration names it."""
        return self._route.public_name

    async def write_step(self, request: StepRequest) -> Candidate:
        """See `StepModel.write_step`. A full context is an outcome (`"context"`), not an error."""
        started = time.perf_counter()
        fields = self._route.fields(request) | self._options
        asked = {name: value for name, value in fields.items() if value is not None}
        try:
            said = await self._route.message(self._model, request.prefix.conversation, asked)
        except ContextOverflowError:
            return Candidate(text="", ended="context", logprob=None, usage=usage(cached_tokens=0))
        action = self._action(said)
        action["usage"] = timed(action["usage"], started)
        if self._checked and action["ended"] == "eos":
            mark_invalid(action, self._actions)
        return action

    def _action(self, said: Any) -> Candidate:
        """The message as a candidate; of structured output, what was read out of it."""
        message, text = (said, None) if not isinstance(said, Mapping) else (said["raw"], said)
        action = Candidate(
            text=str(message.text) if text is None else _json(text, message),
            ended="length" if is_cut(message) else "eos",
            logprob=None,
            usage=self._route.spent(message),
        )
        if thought := str(message.additional_kwargs.get("reasoning_content") or ""):
            action["reasoning"] = thought
        if text is None and (calls := _calls(message)):
            action["tool_calls"] = calls
        return action


def _tooled(route: LangChainRoute, actions: Actions) -> Runnable[Any, Any]:
    """The model with its tools, in the words all integrations share."""
    choice = actions.tool_choice
    if choice == "none":
        return route.model
    said: dict[str, Any] = {}
    if choice is not None:
        said["tool_choice"] = choice["function"]["name"] if isinstance(choice, Mapping) else choice
        said["tool_choice"] = {"required": "any"}.get(said["tool_choice"], said["tool_choice"])
    if actions.parallel_tool_calls is not None:
        said["parallel_tool_calls"] = actions.parallel_tool_calls
    return route.model.bind_tools([dict(tool) for tool in actions.tools], **said)


def _in_form(route: LangChainRoute, actions: Actions) -> Runnable[Any, Any]:
    """The model, held to a schema in its integration's own way.

    Raises:
        CapabilityError: There is no schema, or there are tools beside it.
    """
    described = (actions.response_format or {}).get("json_schema")
    if actions.tools or not isinstance(described, Mapping):
        what = "tools and a form at once" if actions.tools else "JSON without a schema"
        raise route.error(
            CapabilityError,
            f"a LangChain model cannot be asked for {what} in a way all integrations share.",
            expected="tools, or the schema of an answer (method='json_schema')",
        )
    name = described.get("name", "answer")
    schema = {"title": name, "description": name, **described["schema"]}
    return route.model.with_structured_output(schema, include_raw=True)


def _json(told: Mapping[str, object], message: AIMessage) -> str:
    """What was read out of a message, as text; what could not be read, as it is."""
    parsed = told["parsed"]
    return str(message.text) if parsed is None else json.dumps(parsed, ensure_ascii=False)


def _calls(message: AIMessage) -> list[ToolCall]:
    """The calls of a message; arguments that are no JSON are left as they are."""
    read = [(call, json.dumps(call["args"])) for call in message.tool_calls]
    unread = [(call, call["args"] or "") for call in message.invalid_tool_calls]
    return [
        ToolCall(
            id=call["id"] or "",
            type="function",
            function=FunctionCall(name=call["name"] or "", arguments=arguments),
        )
        for call, arguments in [*read, *unread]
    ]
