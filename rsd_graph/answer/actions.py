"""Actions: with tools bound, the step under decision is what the assistant does next.

An action is a text, tool calls, or both. The draft proposes one, the PRM scores it in its context,
and it is accepted or the target acts instead. An action that cannot be carried out (arguments that
are not JSON, an unknown tool, a violated schema) is rejected before it is scored, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, SchemaError

from rsd_graph.answer.state import Candidate, FunctionCall
from rsd_graph.errors import ConfigurationError

OPTIONS = ("tools", "tool_choice", "parallel_tool_calls", "response_format")
"""Call options that make the chat model act instead of writing steps of text."""


@dataclass(frozen=True)
class Actions:
    """What the assistant may do, in the words of OpenAI's chat API.

    Attributes:
        tools: Tool definitions, `{"type": "function", "function": {...}}`.
        tool_choice: `"auto"`, `"none"`, `"required"`, or the one tool to call.
        parallel_tool_calls: Whether several calls in one action are welcome, if the server asks.
        response_format: The form of a text answer: `json_object` or `json_schema`.
    """

    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: Mapping[str, Any] | None = None

    @classmethod
    def chosen(cls, options: Mapping[str, Any]) -> Actions | None:
        """What the options of one call allow; `None` if the answer is plain text.

        Tools are in OpenAI's words already.

        Raises:
            ConfigurationError: The chosen tool is not among the tools.
        """
        tools = options.get("tools") or ()
        form = options.get("response_format")
        if not tools and form is None:
            return None
        choice = as_tool_choice(options.get("tool_choice"), tools)
        return cls(tools, choice, options.get("parallel_tool_calls"), form)

    @property
    def body(self) -> dict[str, object]:
        """The fields of a chat request."""
        fields = {name: getattr(self, name) for name in OPTIONS}
        if not self.tools:
            fields = {"response_format": self.response_format}
        return {name: value for name, value in fields.items() if value not in (None, ())}

    def check_schemas(self) -> None:
        """Refuse schemas that nothing can be checked against.

        Raises:
            ConfigurationError: One of them is not a JSON schema.
        """
        functions = [tool["function"] for tool in self.tools]
        schemas = {function["name"]: function.get("parameters") or {} for function in functions}
        for name, schema in {**schemas, "response_format": self._answer_schema}.items():
            try:
                Draft202012Validator.check_schema(schema)
            except SchemaError as error:
                raise ConfigurationError(
                    f"the schema of {name!r} is none: {error.message}.", expected="a JSON schema"
                ) from error

    def problems(self, action: Candidate) -> Iterator[str]:
        """Why this action cannot be carried out; nothing if it can."""
        calls = action.get("tool_calls", [])
        yield from self._choice_problems([call["function"]["name"] for call in calls])
        for call in calls:
            yield from self._call_problems(call["function"])
        if not calls and self.response_format is not None:
            yield from _json_problems(action["text"], self._answer_schema)

    def _choice_problems(self, called: Sequence[str]) -> Iterator[str]:
        choice = self.tool_choice
        if choice == "required" and not called:
            yield "no tool is called"
        if choice == "none" and called:
            yield "a tool is called"
        if isinstance(choice, Mapping) and set(called) != {choice["function"]["name"]}:
            yield "another tool is called"

    def _call_problems(self, call: FunctionCall) -> Iterator[str]:
        known = {tool["function"]["name"]: tool["function"] for tool in self.tools}
        if call["name"] not in known:
            yield "an unknown tool is called"
            return
        yield from _json_problems(call["arguments"], known[call["name"]].get("parameters"))

    @property
    def _answer_schema(self) -> Mapping[str, object]:
        """The schema a text answer must match where JSON is demanded."""
        form = self.response_format or {}
        schema = form.get("json_schema", {}).get("schema")
        return schema if isinstance(schema, Mapping) else {"type": "object"}


def _json_problems(text: str, schema: Mapping[str, object] | None) -> Iterator[str]:
    """What is wrong with a text that should be JSON of this schema: kinds, never contents."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # nested too deep is no better
        yield "not JSON"
        return
    for error in Draft202012Validator(schema or {}).iter_errors(value):
        yield f"violates {error.validator} at {error.json_path}"


def as_tool_choice(choice: object, tools: Sequence[Mapping[str, Any]]) -> Any:
    """LangChain's many ways to choose a tool, in OpenAI's words.

    Raises:
        ConfigurationError: The chosen tool is not among *tools*.
    """
    names = [tool["function"]["name"] for tool in tools]
    if choice in (None, False, "auto", "none", "required"):
        return choice or None
    if choice in (True, "any"):
        return "required"
    name = choice["function"]["name"] if isinstance(choice, Mapping) else choice
    if name not in names:
        raise ConfigurationError(
            f"tool_choice={name!r} is none of the bound tools.",
            expected=f"one of {', '.join(names)}, 'auto', 'any', 'required' or 'none'",
        )
    return {"type": "function", "function": {"name": name}}
