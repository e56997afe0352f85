"""The flags that several commands share: the three models, and every option that may be a flag."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import wraps
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from rsd_graph.answer.options import Options, checked, settable_in
from rsd_graph.errors import ConfigurationError

_ENDPOINT = "Endpoint string, such as vllm+http://host:8000/v1#model or embedded:/path.gguf."

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
System = Annotated[str | None, typer.Option(help="System prompt before the question.")]

_STACK = {
    "config": Annotated[str | None, typer.Option(help="A TOML file of stacks.")],
    "stack": Annotated[str | None, typer.Option(help="Which stack of the file.")],
    "draft": Annotated[str | None, typer.Option(help=_ENDPOINT)],
    "target": Annotated[str | None, typer.Option(help=_ENDPOINT)],
    "prm": Annotated[
        str | None, typer.Option(help="The same, after the PRM's family: qwen-prm+vllm+http://...")
    ],
}

OPTIONS = settable_in("flag")
"""The options of `ChatRSD` that are flags."""


def takes(*options: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of a stack and of these *options*; `stack_options` reads them."""
    flags = {**_STACK, **{name: _flag(name) for name in options}}

    def with_flags(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)

        @wraps(command)
        def run(**given: object) -> None:
            command(**{name: value for name, value in given.items() if name in own.parameters})

        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter(name, keyword, default=None, annotation=flag)
            for name, flag in flags.items()
        ]
        signature = own.replace(parameters=[*own.parameters.values(), *added])
        run.__signature__ = signature  # type: ignore[attr-defined]
        return run

    return with_flags


def _flag(name: str) -> Any:
    """The flag of an option, as its declaration says."""
    field = Options.model_fields[name]
    text = spoken(field.description or "")
    text += "" if field.default is None else f" [default: {field.default!r}]"
    metavar = "|".join(dict.fromkeys(_words(field.annotation)))
    return Annotated[Any, typer.Option(parser=_parser(name), metavar=metavar, help=text)]


def _words(kind: Any) -> list[str]:
    """What a value of this type looks like on a command line."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if get_origin(kind) in (Callable, Mapping):  # for code and files
        return []
    known = {int: "INTEGER", float: "NUMBER", str: "TEXT"}.get(kind)
    return [known] if known else [word for part in get_args(kind) for word in _words(part)]


def _parser(name: str) -> Callable[[str], Any]:
    def parsed(text: str) -> Any:
        try:
            return checked(name, text)
        except ConfigurationError as error:
            raise typer.BadParameter(spoken(str(error))) from None

    return parsed


def stack_options(context: typer.Context, *, needs_target: bool = True) -> dict[str, Any]:
    """What flags, the environment and the file say, as options of `ChatRSD`, checked.

    Tells on standard error which models these are, unless the command prints JSON.

    Args:
        context: The command's; what was not given on its line is `None` there.
        needs_target: Without it the draft may keep the target's seat warm.

    Raises:
        ConfigurationError: They do not fit together.
    """
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.chat_models.naming import model_name
    from rsd_graph.stacks.config import load_stack, naming_lines
    from rsd_graph.stacks.settings import ROLES, SETTINGS, from_environment, over

    given = context.params
    if given["stack"] and not given["config"]:
        raise typer.BadParameter("name its file, too: --config FILE", param_hint="'--stack'")
    flags = {name: given[name] for name in SETTINGS if given.get(name) is not None}
    below = load_stack(given["config"], given["stack"]) if given["config"] else from_environment()
    said = over(below, flags)
    if not needs_target and "draft" in said:
        said.setdefault("target", said["draft"])
    named = (
        naming_lines(given["config"], given["stack"], flags) if given["config"] else nullcontext()
    )
    with named:
        llm = ChatRSD(**said)
    if not given["as_json"]:
        models = ", ".join(f"{role} {model_name(getattr(llm, role))}" for role in ROLES)
        sys.stderr.write(f"{models}\n")
    return said


def spoken(text: str) -> str:
    """A text in the words of the command line: `--max-tokens 9` where Python has `max_tokens=9`.

    What stands in parentheses is no option: `logistic(alpha=10, delta=0.7)`.
    """
    names = "|".join(("draft", "target", "prm", *OPTIONS))
    flag = re.compile(rf"(?<![\w.])({names})=(?![^()]*\))")
    return flag.sub(lambda match: f"--{match[1].replace('_', '-')} ", " ".join(text.split()))
