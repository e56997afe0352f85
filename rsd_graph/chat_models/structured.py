"""Structured output: a runnable that answers in the form of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import (
    JsonOutputKeyToolsParser,
    PydanticToolsParser,
)
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from rsd_graph.errors import ConfigurationError

Method = Literal["json_schema", "function_calling", "json_mode"]


def structured_output(
    model: BaseChatModel,
    schema: Any,
    method: Method,
    *,
    strict: bool | None,
    include_raw: bool,
    options: Mapping[str, Any],
) -> Runnable[LanguageModelInput, Any]:
    """*model*, answering in the form of *schema*; *options* are bound to the call.

    Raises:
        ConfigurationError: An unknown method, or no schema where one is needed.
    """
    if schema is None and method != "json_mode":
        raise ConfigurationError(f"method={method!r} needs a schema.", expected="a schema")
    bound = _bound(model, schema, method, strict, options)
    parser = _parser(schema, method)
    if not include_raw:
        return bound | parser
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _bound(
    model: BaseChatModel,
    schema: Any,
    method: Method,
    strict: bool | None,
    options: Mapping[str, Any],
) -> Runnable[LanguageModelInput, AIMessage]:
    traced = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
    if method == "function_calling":
        return model.bind_tools(
            [schema],
            tool_choice="any",
            strict=strict,
            ls_structured_output_format=traced,
            **options,
        )
    if method == "json_mode":
        form: dict[str, Any] = {"type": "json_object"}
    elif method == "json_schema":
        json_schema = convert_to_json_schema(schema, strict=strict)
        described: dict[str, Any] = {"name": json_schema.get("title", "answer")}
        if strict is not None:
            described["strict"] = strict
        form = {"type": "json_schema", "json_schema": {**described, "schema": json_schema}}
    else:
        raise ConfigurationError(
            f"method={method!r}.", expected="json_schema, function_calling or json_mode"
        )
    return model.bind(response_format=form, ls_structured_output_format=traced, **options)


def _parser(schema: Any, method: Method) -> Runnable[Any, Any]:
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    if method != "function_calling":
        return PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
    if is_class:
        return PydanticToolsParser(tools=[schema], first_tool_only=True)
    name = convert_to_openai_tool(schema)["function"]["name"]
    return JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
