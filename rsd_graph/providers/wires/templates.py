"""Chat templates rendered here, for servers that cannot render: from a `tokenizer_config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rsd_graph.answer.state import Message
from rsd_graph.errors import ConfigurationError, InputError


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A chat template as Hugging Face tokenizers define it, in the sandbox they run it in.

    Attributes:
        source: The Jinja text.
        special_tokens: `bos_token`, `eos_token` and the like, by name.
    """

    source: str
    special_tokens: Mapping[str, str]

    @classmethod
    def load(cls, source: str | Path | Mapping[str, object]) -> ChatTemplate:
        """From a `tokenizer_config.json`, the folder it is in, or its content.

        Raises:
            ConfigurationError: No such file, not JSON, or no chat template in it.
        """
        config = source if isinstance(source, Mapping) else _read(Path(source))
        template = _default_template(config.get("chat_template"))
        if template is None:
            raise ConfigurationError(
                "this tokenizer configuration has no chat template.",
                expected='a "chat_template" in tokenizer_config.json',
                hint="Base models have none: use the tokenizer_config.json of a chat model.",
            )
        return cls(template, _special_tokens(config))

    def render(self, conversation: Sequence[Message]) -> str:
        """The prompt, ready for the answer.

        Raises:
            ConfigurationError: The template is not valid Jinja.
            InputError: The template refuses this conversation.
        """
        try:
            return self._compiled().render(
                messages=conversation, add_generation_prompt=True, **self.special_tokens
            )
        except jinja2.TemplateSyntaxError as error:
            raise ConfigurationError(f"the chat template is not valid: {error}.") from error
        except Exception as error:  # a template is a program, and its data are the user's
            raise InputError(
                f"the chat template refuses this conversation: {error}.",
                hint="Does the model know system messages, and do user and assistant take turns?",
            ) from error

    def _compiled(self) -> jinja2.Template:
        """With the switches and functions Hugging Face templates rely on."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationBlock]
        )
        environment.globals.update(raise_exception=_refuse, strftime_now=_now)
        environment.filters["tojson"] = _to_json
        return environment.from_string(self.source)


class GenerationBlock(Extension):
    """`{% generation %}`: what a model is trained to write. In a prompt it is plain text."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own declaration)

    def parse(self, parser: Parser) -> list[Node]:
        """The block's own statements."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _read(path: Path) -> Mapping[str, object]:
    """The configuration, with the template of the `chat_template.jinja` beside it, if any."""
    file = path / "tokenizer_config.json" if path.is_dir() else path
    beside = file.with_name("chat_template.jinja")
    try:
        config = dict(json.loads(file.read_text(encoding="utf-8")))
        separate = beside.read_text(encoding="utf-8") if beside.exists() else None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigurationError(
            f"no usable tokenizer configuration at {file}: {error}.",
            expected="the model's tokenizer_config.json, or the folder it is in",
        ) from error
    return {**config, "chat_template": separate or config.get("chat_template")}


def _default_template(template: object) -> str | None:
    """The template itself; of several named ones, the one called `default`."""
    if isinstance(template, list):
        return {entry["name"]: str(entry["template"]) for entry in template}.get("default")
    return template if isinstance(template, str) else None


def _special_tokens(config: Mapping[str, object]) -> dict[str, str]:
    """Special tokens by name: plain text, or an object that holds it as `content`."""
    tokens: dict[str, str] = {}
    for name, value in config.items():
        text = value.get("content") if isinstance(value, Mapping) else value
        if name.endswith("_token") and isinstance(text, str):
            tokens[name] = text
    return tokens


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _now(pattern: str) -> str:
    return datetime.now().strftime(pattern)


def _to_json(value: object, indent: int | None = None) -> str:
    """Jinja's own filter escapes HTML; templates want plain JSON."""
    return json.dumps(value, ensure_ascii=False, indent=indent)
