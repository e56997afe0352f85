"""What the fake model servers share: routes as methods, and a model that writes from a script."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from aiohttp import web

from tests.helpers.fake_endpoint import FakeEndpoint

EOS = "</s>"
BOS = "<s>"

Reply = tuple[int, Any, dict[str, str]]
"""Status, JSON body, headers."""


class FakeModelServer(FakeEndpoint):
    """A fake server whose model writes the scripted outputs, token by token, one per generation.

    Subclasses name their routes in `ROUTES`: path -> the method that answers its bodies.
    """

    ROUTES: ClassVar[dict[str, str]]

    def __init__(self, *outputs: list[str]) -> None:
        super().__init__({path: self._handler(name) for path, name in self.ROUTES.items()})
        self.outputs = deque(outputs)

    def _handler(self, name: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            status, body, headers = getattr(self, name)(await request.json())
            return web.json_response(body, status=status, headers=headers)

        return handle


def ok(payload: Any, **headers: str) -> Reply:
    """HTTP 200."""
    return 200, payload, {name.replace("_", "-"): value for name, value in headers.items()}


def split(text: str) -> list[str]:
    """The fake tokenizer: special tokens, words with the space before them, runs of newlines."""
    return re.findall(r"</?s>|\n+| ?[^\s<]+| ", text)


def find(text: str, stop: list[str]) -> str | None:
    """The stop string that comes first in *text*."""
    found = [s for s in stop if s in text]
    return min(found, key=text.find) if found else None
