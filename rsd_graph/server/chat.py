"""`POST /v1/chat/completions`: a request in, the steps of `ChatRSD` out, as they are settled."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rsd_graph.errors import RSDError
from rsd_graph.server.admission import Admission
from rsd_graph.server.catalog import Catalog, Offered
from rsd_graph.server.failures import RefusedError, failure_of
from rsd_graph.server.metrics import Metrics
from rsd_graph.server.options import ServerOptions
from rsd_graph.server.requests import ChatRequest, read_request
from rsd_graph.server.run import Run
from rsd_graph.server.streaming import EventStream, HungUpError, unless_hung_up

_NOBODY_LISTENS = 499

_EARLY_SECONDS = 0.2
"""How long a stream's first event may take before the status is sent. What is wrong with a request
shows within this time, and can still be told by a status of its own."""


class Chat:
    """The route, with everything it needs to know."""

    def __init__(
        self, catalog: Catalog, allowed: ServerOptions, admission: Admission, metrics: Metrics
    ) -> None:
        self._catalog = catalog
        self._allowed = allowed
        self._admission = admission
        self._metrics = metrics

    async def endpoint(self, request: Request) -> Response:
        """Answer one request, whole or as a stream.

        Raises:
            RefusedError: The request cannot be honoured.
        """
        asked = read_request(await _body(request, self._allowed.max_body))
        self._check(asked)
        offered = self._catalog.offered(asked.model)
        try:
            response = await self._answer(request, asked, offered)
        except (RefusedError, RSDError) as error:
            failure = error.failure if isinstance(error, RefusedError) else failure_of(error)
            response = JSONResponse(failure.body, failure.status, failure.headers)
        self._metrics.requests.labels(offered.stack, response.status_code).inc()
        return response

    async def _answer(self, request: Request, asked: ChatRequest, offered: Offered) -> Response:
        async with AsyncExitStack() as held:
            started = time.perf_counter()
            await held.enter_async_context(self._admission.seat())
            self._metrics.queue_wait.observe(time.perf_counter() - started)
            ending = partial(self._admission.until_end, self._allowed.max_seconds)
            run = Run(asked, offered, self._metrics, ending)
            if asked.stream:
                return await self._streamed(request, run, held)
            return await self._whole(request, run)

    async def _whole(self, request: Request, run: Run) -> Response:
        try:
            body = await unless_hung_up(request.receive, run.whole())
        except HungUpError:
            return Response(status_code=_NOBODY_LISTENS)
        return JSONResponse(body, headers=run.completion.headers)

    async def _streamed(self, request: Request, run: Run, held: AsyncExitStack) -> Response:
        """The stream, which keeps the seat until it ends; early failures are raised here."""
        await run.begin(_EARLY_SECONDS)
        return EventStream(run.events(), held.pop_all().aclose)

    def _check(self, asked: ChatRequest) -> None:
        """What this server does not allow.

        Raises:
            RefusedError: `param` names it.
        """
        allowed = self._allowed
        if asked.n > allowed.max_choices:
            raise RefusedError(f"n is at most {allowed.max_choices} here.", param="n")
        if len(asked.messages) > allowed.max_messages:
            raise RefusedError(f"At most {allowed.max_messages} messages.", param="messages")
        if asked.n > 1 and not asked.temperature:
            raise RefusedError("n > 1 needs temperature > 0: greedy answers are equal.", param="n")
        budget = asked.max_completion_tokens or asked.max_tokens or 0
        if allowed.max_tokens and budget > allowed.max_tokens:
            raise RefusedError(
                f"max_tokens is at most {allowed.max_tokens} here.", param="max_tokens"
            )


async def _body(request: Request, most: int) -> bytes:
    """The body, as far as it may go.

    Raises:
        RefusedError: 413 as soon as it is longer than *most* bytes.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise RefusedError(f"The body is longer than {most} bytes.", status=413)
    return bytes(body)
