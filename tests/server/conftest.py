"""A server of scripted-by-hash stacks on a real socket, and OpenAI's own client for it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import openai
import pytest
import uvicorn

from rsd_graph import ChatRSD, FunctionPRM, HostedModel
from rsd_graph.server import Catalog, ServerOptions, create_app
from rsd_graph.server.process import DrainingServer
from tests.helpers.hashed import HashedModel, HashedPRM
from tests.helpers.thinking_wire import SayingWire


def stack(**options: Any) -> ChatRSD:
    """A chat model whose words are a function of what it is asked."""
    models = {"draft": HashedModel("d"), "target": HashedModel("t"), "prm": HashedPRM(0.3)}
    return ChatRSD(**{**models, **options})


def thinker() -> ChatRSD:
    """A stack that thinks twice before its one step of an answer."""
    draft, target = (HostedModel(SayingWire("Hm.\n\nTwo.</think>", "It is 4.")) for _ in "dt")
    prm = FunctionPRM(lambda question, steps: 0.9)
    return ChatRSD(draft=draft, target=target, prm=prm, thinking="on", min_step_tokens=1)


@dataclass(frozen=True)
class Served:
    """A server at work."""

    url: str
    app: Any
    open: ExitStack
    server: DrainingServer

    def client(self, **options: Any) -> openai.OpenAI:
        """OpenAI's client for it, which asks once; closed when the test ends."""
        settings = {"api_key": "none", "max_retries": 0, **options}
        return self.open.enter_context(openai.OpenAI(base_url=f"{self.url}/v1", **settings))


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves stacks by name on a free port until the test ends."""
    running: list[tuple[Any, threading.Thread]] = []
    clients = ExitStack()

    def start(
        stacks: Mapping[str, ChatRSD] | None = None, drain: float = 0.0, **allowed: Any
    ) -> Served:
        app = create_app(Catalog(stacks or {"math": stack()}), ServerOptions(**allowed))
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", ws="none")
        server = DrainingServer(config, app.state.admission, drain)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        running.append((server, thread))
        return Served(f"http://127.0.0.1:{listener.getsockname()[1]}", app, clients, server)

    with clients:
        yield start
    for server, thread in running:
        server.should_exit = True
        thread.join()
