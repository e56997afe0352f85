"""`rsd-graph up`: serve the embedded models on loopback."""

from __future__ import annotations

import json
import shlex
import threading
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rsd_graph.errors import Role

MODEL_HELP = "A GGUF file, as embedded:/path/model.gguf."


def up(
    draft: Annotated[str, typer.Option(help=MODEL_HELP)] = "embedded:draft",
    target: Annotated[str, typer.Option(help=MODEL_HELP)] = "embedded:target",
    prm: Annotated[
        str, typer.Option(help="The same; family+embedded:/path for a PRM not of ours.")
    ] = "embedded:prm",
    port: Annotated[
        int,
        typer.Option(
            help="The draft's port; target and PRM take the next two. 0: any free.",
            min=0,
            max=65533,
        ),
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Serve three models on this machine until Ctrl-C.

    Prints their endpoint strings and a command that uses them.
    """
    models: dict[Role, str] = {"draft": draft, "target": target, "prm": prm}
    endpoints = {
        role: _serve(role, spec, port + offset if port else 0)
        for offset, (role, spec) in enumerate(models.items())
    }
    print(json.dumps(endpoints) if as_json else _instructions(endpoints), flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        raise typer.Exit from None


def _serve(role: Role, spec: str, port: int) -> str:
    """Start one server; its endpoint string for other processes."""
    from rsd_graph.embedded.engine import endpoint_for
    from rsd_graph.errors import ConfigurationError

    family, embedded, name = spec.partition("embedded:")
    if not embedded:
        raise ConfigurationError(
            f"{spec!r} is served elsewhere already.",
            role=role,
            expected="embedded:/path/model.gguf",
        )
    if role == "prm":
        family = family or "recompute+"
    options = f"{'&' if '?' in name else '?'}port={port}" if port else ""
    return f"{family}llamacpp+{endpoint_for(name + options)}"


def _instructions(endpoints: dict[Role, str]) -> str:
    lines = [f"{role:<7} {endpoint}" for role, endpoint in endpoints.items()]
    options = " ".join(f"--{role} {shlex.quote(at)}" for role, at in endpoints.items())
    return "\n".join([*lines, "", f"rsd-graph solve QUESTION {options}", "", "Ctrl-C stops them."])
