"""`rsd-graph view`: what RSD did, as a page in the browser."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rsd_graph.viewer import Traces


def view(
    file: Annotated[Path, typer.Argument(help="What solve --json, batch or eval --journal wrote.")],
    compare: Annotated[
        Path | None, typer.Option(help="Another such file, joined by its questions.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page to write.")] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page to this machine's browser instead.")
    ] = False,
) -> None:
    """Show FILE as a page: who wrote each step, its reward, the rejected drafts.

    The page holds everything it shows and needs no network. A file that is large for one page is
    served to this machine's browser instead, unless --out asks for a page; Ctrl-C ends that.
    """
    from rsd_graph.errors import ConfigurationError
    from rsd_graph.viewer import is_large, read_traces

    if serve and out:
        raise ConfigurationError("--serve writes no page.", hint="Leave out --serve or --out.")
    paths = [path for path in (file, compare) if path is not None]
    title = f"RSD: {file.name}"
    if serve or (out is None and any(map(is_large, paths))):
        _serve(paths, title, open_it=open_it)
    else:
        show_page([read_traces(path) for path in paths], title, out, open_it=open_it)


def show_page(
    files: Sequence[Traces], title: str, out: Path | None = None, *, open_it: bool
) -> None:
    """Write the page, say where, and open it if that is wanted."""
    from rsd_graph.viewer import write_page

    place = out or Path(tempfile.mkdtemp(prefix="rsd-view-")) / f"{Path(files[0].name).stem}.html"
    write_page(place, files, title=title)
    typer.echo(str(place), err=open_it)
    if open_it:
        webbrowser.open(place.resolve().as_uri())


def _serve(paths: Sequence[Path], title: str, *, open_it: bool) -> None:
    from rsd_graph.viewer.large import LargeFile
    from rsd_graph.viewer.serving import PageServer

    with PageServer([LargeFile(path) for path in paths], title) as server:
        typer.echo(server.url)
        if open_it:
            webbrowser.open(server.url)
        server.serve_forever()
