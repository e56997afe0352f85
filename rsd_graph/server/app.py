"""The app: its routes, and what stands in front of them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rsd_graph.errors import RSDError
from rsd_graph.server.admission import Admission
from rsd_graph.server.catalog import Catalog
from rsd_graph.server.chat import Chat
from rsd_graph.server.failures import Failure, RefusedError, failure_of
from rsd_graph.server.guard import Guard
from rsd_graph.server.metrics import CONTENT_TYPE, Metrics
from rsd_graph.server.options import ServerOptions
from rsd_graph.server.page import chat_box


def create_app(
    catalog: Catalog, options: ServerOptions | None = None, admission: Admission | None = None
) -> Starlette:
    """An ASGI app that answers OpenAI's chat API with the models of *catalog*.

    Args:
        catalog: The models by name.
        options: What is allowed.
        admission: Counts the answers in flight; pass your own to drain it as you shut down.
    """
    allowed = options or ServerOptions()
    admission = admission or Admission(allowed.max_answers, allowed.max_queue)
    metrics = Metrics()
    pages = _Pages(catalog, admission, metrics)
    chat = Chat(catalog, allowed, admission, metrics)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", chat.endpoint, methods=["POST"]),
            Route("/v1/models", pages.models),
            Route("/v1/models/{name:path}", pages.model),
            Route("/health", pages.health),
            Route("/ready", pages.ready),
            Route("/metrics", pages.metrics),
            Route("/", chat_box),
        ],
        middleware=_middleware(allowed),
        exception_handlers={
            RefusedError: _refused,
            RSDError: _failed,
            HTTPException: _http_error,
        },
    )
    app.state.admission = admission
    return app


def _middleware(allowed: ServerOptions) -> list[Middleware]:
    """From the outside in. All of it pure ASGI: a client that leaves must be noticed inside."""
    stack = [Middleware(Guard, access=allowed.access)]
    if origins := list(allowed.access.origins):
        cors = Middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"]
        )
        stack.insert(0, cors)
    return stack


class _Pages:
    """The small routes."""

    def __init__(self, catalog: Catalog, admission: Admission, metrics: Metrics) -> None:
        self._catalog = catalog
        self._admission = admission
        self._metrics = metrics
        self._created = int(time.time())

    async def models(self, request: Request) -> Response:
        """Every model, as OpenAI lists them."""
        data = [self._described(name) for name in self._catalog.names]
        return JSONResponse({"object": "list", "data": data})

    async def model(self, request: Request) -> Response:
        """One model."""
        offered = self._catalog.offered(request.path_params["name"])
        return JSONResponse(self._described(offered.stack))

    def _described(self, name: str) -> Mapping[str, object]:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "rsd-graph"}

    async def health(self, request: Request) -> Response:
        """The process lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Whether new answers are taken."""
        if self._admission.is_draining:
            return JSONResponse({"status": "draining"}, 503, {"Retry-After": "1"})
        return JSONResponse({"status": "ok", "answers_in_flight": self._admission.in_flight})

    async def metrics(self, request: Request) -> Response:
        """Prometheus metrics."""
        return Response(self._metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


def _response(failure: Failure) -> Response:
    return JSONResponse(failure.body, failure.status, failure.headers)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _response(error.failure)


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RSDError)
    return _response(failure_of(error))


def _http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses (no such route, method or size), in OpenAI's shape."""
    assert isinstance(error, HTTPException)
    return _response(Failure(error.status_code, f"{error.detail}.", "invalid_request_error"))
