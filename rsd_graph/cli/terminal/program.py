"""What every command has in common: how it fails, and how it is interrupted."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rsd_graph.cli.terminal.flags import spoken
from rsd_graph.errors import RSDError

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


class _Commands(TyperGroup):
    """Turns our errors into one line on stderr and exit code 1; Ctrl-C into a quiet 130."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except RSDError as error:
            sys.stderr.write(f"error: {spoken(str(error))}\n")
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    cls=_Commands,
    name="rsd-graph",
    help="Reward-Guided Speculative Decoding: a draft model writes each reasoning step, a process "
    "reward model scores it, and the target model rewrites what falls short.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    """Print what a report of a mistake has to say, and stop."""
    if wanted:
        print(f"rsd-graph {version('rsd-graph')}")
        print(f"Python {platform.python_version()}")
        for package in ("langgraph", "langchain-core"):
            print(package, version(package))
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show versions and stop."
        ),
    ] = False,
) -> None:
    """Options of the program itself."""
