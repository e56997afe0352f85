"""What a client asks, in the words of OpenAI's chat API, checked before anything is spent.

A field we cannot honour is refused by name where it would change the answer; a falsy one passes,
because many clients send every field they know.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from langchain_core.messages import BaseMessage, convert_to_messages
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rsd_graph.server.failures import RefusedError

Include = Literal["trace", "ledger", "events"]

_CANNOT = (
    *("logprobs", "top_logprobs", "logit_bias", "frequency_penalty", "presence_penalty"),
    *("audio", "modalities", "prediction", "web_search_options", "functions", "function_call"),
    *("best_of", "echo", "suffix"),
)
"""Fields that would change the answer and that no draft and target can be made to agree on."""

_CALL_OPTIONS = ("temperature", "top_p", "seed", "tools", "tool_choice", "parallel_tool_calls")
"""Fields whose names and meanings are those of `ChatRSD`'s own call options."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class TextPart(_Strict):
    """A piece of text; other parts (images, audio, files) cannot be scored step by step."""

    type: Literal["text"]
    text: str


class Function(_Strict):
    """The function a past turn called."""

    name: str
    arguments: Annotated[str, Field(description="JSON")]

    @model_validator(mode="after")
    def _arguments_are_json(self) -> Self:
        json.loads(self.arguments or "{}")
        return self


class Call(_Strict):
    """One tool call of a past turn."""

    id: str
    type: Literal["function"] = "function"
    function: Function


class Turn(_Strict):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.content is None and not self.tool_calls:
            raise ValueError("content is missing")
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("tool_call_id is missing")
        return self

    def as_message(self) -> BaseMessage:
        """The turn as LangChain has it."""
        own = {"reasoning", "reasoning_content"}
        said = self.model_dump(exclude_none=True, exclude=own)
        message = convert_to_messages([{"content": "", **said}])[0]
        if thought := self.reasoning or self.reasoning_content:
            message.additional_kwargs["reasoning_content"] = thought
        return message


class StreamOptions(_Strict):
    """What a stream carries beside the text."""

    include_usage: bool = False


class Extension(BaseModel):
    """The opt-in `rsd` object; clients that do not know it never see it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    delta: float | None = None
    """Another threshold for this answer."""
    include: tuple[Include, ...] = ()
    """What to send beside the answer."""
    strict: bool = False
    """Refuse fields that would otherwise be ignored."""


class ChatRequest(BaseModel):
    """The body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    model: str
    messages: Annotated[list[Turn], Field(min_length=1)]
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    tools: list[dict[str, object]] | None = None
    tool_choice: str | dict[str, object] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, object] | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: dict[str, object] | None = None
    thinking_token_budget: Annotated[int | None, Field(ge=-1)] = None
    """As vLLM has it: none at 0, and -1 leaves it to the stack."""
    n: Annotated[int, Field(ge=1)] = 1
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    rsd: Extension = Extension()

    @property
    def stops(self) -> list[str] | None:
        """Strings that end the answer; `None` leaves it to the stack."""
        return [self.stop] if isinstance(self.stop, str) else self.stop

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with a chunk of usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def forbids_thinking(self) -> bool:
        """Whether the client wants none, in OpenAI's words, vLLM's or those of a template."""
        told = self.chat_template_kwargs or {}
        is_told_no = self.reasoning_effort == "none" or told.get("enable_thinking") is False
        return is_told_no or self.thinking_token_budget == 0

    def conversation(self) -> list[BaseMessage]:
        """The messages, as LangChain has them."""
        return [turn.as_message() for turn in self.messages]

    def options(self, choice: int) -> dict[str, object]:
        """`ChatRSD`'s call options for one of the `n` choices; each has a seed of its own."""
        said = {name: getattr(self, name) for name in _CALL_OPTIONS}
        said["max_tokens"] = self.max_completion_tokens or self.max_tokens
        said["delta"] = self.rsd.delta
        if self.response_format and self.response_format.get("type") != "text":
            said["response_format"] = self.response_format
        if self.seed is not None:
            said["seed"] = self.seed + choice
        said["thinking"] = "off" if self.forbids_thinking else None
        if (self.thinking_token_budget or 0) > 0 and not self.forbids_thinking:
            said["max_thinking_tokens"] = self.thinking_token_budget
        return {name: value for name, value in said.items() if value is not None}


def read_request(body: bytes) -> ChatRequest:
    """The request in *body*.

    Raises:
        RefusedError: It is not one; `param` names the field.
    """
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from None
    except RecursionError:
        raise RefusedError("The body is nested too deeply.") from None
    _refuse_unsupported(request)
    return request


def _refuse_unsupported(request: ChatRequest) -> None:
    """Refuse what would change the answer; with `rsd.strict` whatever we do not know."""
    extra = request.model_extra or {}
    for name in _CANNOT:
        if extra.get(name):
            raise RefusedError(
                f"{name} is not supported: draft and target have no common answer to it.",
                param=name,
                code="unsupported_parameter",
            )
    if request.rsd.strict and request.reasoning_effort not in (None, "none"):
        raise RefusedError(
            "How much is thought, the budgets of the stack decide.",
            param="reasoning_effort",
            code="unsupported_parameter",
        )
    if request.rsd.strict and extra:
        name = sorted(extra)[0]
        raise RefusedError(f"{name} is not known here.", param=name, code="unknown_parameter")


def _refusal(error: ValidationError) -> RefusedError:
    """What is wrong at the most exact place, as `messages[3].content[1]`."""
    first = max(error.errors(), key=lambda said: len(said["loc"]))
    if first["type"] == "json_invalid":
        return RefusedError("The body is not JSON.")
    return RefusedError(f"{first['msg']}.", param=_place(first["loc"]) or None)


def _place(location: tuple[int | str, ...]) -> str:
    """Pydantic's path in OpenAI's notation, without the names of union members."""
    known = [part for part in location if isinstance(part, int) or part.islower()]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in known)
    return path.removeprefix(".").removesuffix(".str")
