"""`rsd-graph serve`: stacks behind OpenAI's chat API."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

_KEYS = "RSD_SERVE_API_KEYS"


def serve(
    config: Annotated[
        Path | None, typer.Option(help="A TOML file; every stack in it is a model.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    api_key: Annotated[
        list[str] | None,
        typer.Option(help=f"A key clients must send; may be repeated. Or {_KEYS}, with commas."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve other machines without a key.")
    ] = False,
    host_name: Annotated[
        list[str] | None, typer.Option(help="A name clients call this server by; may be repeated.")
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="A web page that may call it; may be repeated.")
    ] = None,
    max_answers: Annotated[int, typer.Option(help="Answers worked on at once.", min=1)] = 256,
    max_queue: Annotated[int, typer.Option(help="Requests that may wait.", min=0)] = 64,
    max_tokens: Annotated[
        int | None, typer.Option(help="Largest budget a client may ask for.", min=1)
    ] = None,
    max_seconds: Annotated[
        float, typer.Option(help="Wall clock of one answer, in seconds.", min=0.1)
    ] = 600.0,
    drain: Annotated[
        float, typer.Option(help="Seconds for answers in flight when told to end.", min=0)
    ] = 30.0,
) -> None:
    """Serve stacks as models of an OpenAI endpoint: /v1/chat/completions, /v1/models, /metrics.

    Without --config it serves the models shipped with the package, as rsd-shipped.
    """
    from rsd_graph.server import Access, Admission, Catalog, ServerOptions, create_app
    from rsd_graph.server.guard import check_binding, hosts_for
    from rsd_graph.server.process import listening, run_server

    keys = [*(api_key or ()), *filter(None, os.environ.get(_KEYS, "").split(","))]
    check_binding(host, keys, insecure=insecure)
    access = Access(keys, hosts_for(host, host_name or ()), cors_origin or ())
    options = ServerOptions(
        access,
        max_answers=max_answers,
        max_queue=max_queue,
        max_tokens=max_tokens,
        max_seconds=max_seconds,
    )
    catalog, admission = Catalog.from_config(config), Admission(max_answers, max_queue)
    with listening(host, port) as listener:
        url = f"http://{host}:{listener.getsockname()[1]}/v1"
        typer.echo(f"serving {', '.join(catalog.names)} on {url}", err=True)
        run_server(create_app(catalog, options, admission), admission, listener, drain)
