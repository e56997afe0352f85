"""A server on loopback that says what a test wants, and remembers what it was asked."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from aiohttp import web

from rsd_graph import Endpoint, RetryPolicy

NO_WAIT = RetryPolicy(attempts=3, initial_wait=0, max_wait=0)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeEndpoint:
    """Answers each route with JSON; scripted answers go first, in order.

    A handler is cancelled when its caller hangs up.

    Args:
        routes: Path -> the JSON it answers, or a handler of your own.
    """

    def __init__(self, routes: Mapping[str, Any] | None = None) -> None:
        self._routes = dict(routes or {})
        self._scripts: dict[str, deque[tuple[int, Any, dict[str, str]]]] = defaultdict(deque)
        self.requests: list[tuple[str, Mapping[str, str], Any]] = []

    def script(self, path: str, *answers: tuple[Any, ...]) -> None:
        """Queue answers `(status, body)` or `(status, body, headers)`; text and bytes stay so."""
        for status, body, *headers in answers:
            self._scripts[path].append((status, body, *(headers or [{}])))

    def bodies(self, path: str) -> list[Any]:
        """What was posted to *path*, in order."""
        return [body for at, _, body in self.requests if at == path]

    @property
    def endpoint(self) -> Endpoint:
        """This server, retried without waiting."""
        return Endpoint(self.url, retry=NO_WAIT)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.path, dict(request.headers), body))
        if self._scripts[request.path]:
            status, answer, headers = self._scripts[request.path].popleft()
            if isinstance(answer, bytes):
                return web.Response(status=status, body=answer, headers=headers)
            if isinstance(answer, str):
                return web.Response(status=status, text=answer, headers=headers)
            return web.json_response(answer, status=status, headers=headers)
        answer = self._routes.get(request.path)
        if answer is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        if callable(answer):
            response: web.StreamResponse = await answer(request)
            return response
        return web.json_response(answer)

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._runner.cleanup()
