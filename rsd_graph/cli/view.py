"""`rsd-graph view`: what RSD did, as a page in the browser."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer


def view(
    file: Annotated[Path, typer.Argument(help="What solve --json, batch or eval --journal wrote.")],
    compare: Annotated[
        Path | None, typer.Option(help="Another such file, joined by its questions.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page to write.")] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write a page that shows FILE: who wrote each step, its reward, the rejected drafts.

    The page holds everything it shows and needs no network.
    """
    from rsd_graph.viewer import read_traces, write_page

    files = [read_traces(path) for path in (file, compare) if path is not None]
    place = out or Path(tempfile.mkdtemp(prefix="rsd-view-")) / f"{file.stem}.html"
    write_page(place, files, title=f"RSD: {file.name}")
    typer.echo(str(place))
    if open_it:
        webbrowser.open(place.resolve().as_uri())
