"""One request at work: its `n` answers side by side, until they end or have to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import reduce
from operator import add
from typing import cast

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig

from rsd_graph.answer.events import Event
from rsd_graph.chat_models import AnswerListener
from rsd_graph.errors import RSDError
from rsd_graph.server.answers import Completion, Piece
from rsd_graph.server.catalog import Offered
from rsd_graph.server.failures import RefusedError, failure_of
from rsd_graph.server.metrics import Metrics
from rsd_graph.server.requests import ChatRequest

Ending = Callable[[], Awaitable[RefusedError]]
"""Waits until an answer has to end, whatever it has come to, and says why."""


class Run:
    """The answers to one request.

    Args:
        asked: The request.
        offered: The model it named.
        metrics: Where what happens is counted.
        ending: When it has to end.
    """

    def __init__(
        self, asked: ChatRequest, offered: Offered, metrics: Metrics, ending: Ending
    ) -> None:
        self.completion = Completion(asked)
        self._asked = asked
        self._offered = offered
        self._metrics = metrics
        self._ending = ending
        self._pieces = self._arriving()
        self._first: asyncio.Future[Piece] | None = None

    async def begin(self, seconds: float) -> None:
        """Start, and wait this long for the first piece.

        Raises:
            RSDError: It failed within that time; nothing has been sent yet.
        """
        self._first = asyncio.ensure_future(anext(self._pieces))
        await asyncio.wait({self._first}, timeout=seconds)
        if self._first.done():
            self._first.result()  # raises what went wrong

    async def whole(self) -> dict[str, object]:
        """The body of an answer that is not streamed.

        Raises:
            RSDError: A model failed.
            RefusedError: It had to end.
        """
        chunks: list[list[AIMessageChunk]] = [[] for _ in range(self._asked.n)]
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                if piece.chunk is not None:
                    chunks[piece.choice].append(piece.chunk)
                if piece.event is not None:
                    self.completion.heard(piece.choice, piece.event)
        return self.completion.whole([reduce(add, of_one) for of_one in chunks])

    async def events(self) -> AsyncGenerator[dict[str, object]]:
        """The chunks of a stream; an error is its last one, and what was sent before stands."""
        for body in self.completion.opening():
            yield body
        try:
            async with aclosing(self._continued()) as pieces:
                async for piece in pieces:
                    for body in self.completion.chunks(piece):
                        yield body
        except RSDError as error:
            yield failure_of(error).body
            return
        except RefusedError as refusal:
            for body in self.completion.cut_short():
                yield body
            yield refusal.failure.body
            return
        for body in self.completion.closing():
            yield body

    async def _continued(self) -> AsyncGenerator[Piece]:
        """The pieces, from the one `begin` has waited for."""
        async with aclosing(self._pieces):
            if self._first is not None:
                yield await self._first
            async for piece in self._pieces:
                yield piece

    async def _arriving(self) -> AsyncGenerator[Piece]:
        """The pieces of all choices, as they come; each choice is driven by one task of its own."""
        arrived: asyncio.Queue[Piece | Exception | None] = asyncio.Queue()

        async def answer(choice: int) -> None:
            try:
                async with aclosing(self._choice(choice, arrived.put_nowait)) as pieces:
                    async for piece in pieces:
                        arrived.put_nowait(piece)
                arrived.put_nowait(None)
            except Exception as error:
                arrived.put_nowait(error)

        async def end() -> None:
            arrived.put_nowait(await self._ending())

        works = [*(answer(choice) for choice in range(self._asked.n)), end()]
        tasks = [asyncio.ensure_future(work) for work in works]
        left = self._asked.n
        try:
            while left:
                match await arrived.get():
                    case None:
                        left -= 1
                    case Exception() as error:
                        raise error
                    case piece:
                        yield piece
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _choice(self, choice: int, tell: Callable[[Piece], None]) -> AsyncGenerator[Piece]:
        """One answer, counted; *tell* hears what happens between its steps, if that was asked."""
        llm, options = self._offered.llm, {**self._offered.options, **self._asked.options(choice)}
        messages = self._asked.conversation()

        def on_event(event: Event) -> None:
            tell(Piece(choice, event=event))

        hears = on_event if "events" in self._asked.rsd.include else None
        with self._metrics.answering(self._offered.stack) as counted:
            config = RunnableConfig(callbacks=[AnswerListener(hears, counted.spent)])
            chunks = llm.astream(messages, config, stop=self._asked.stops, **options)
            async with aclosing(cast("AsyncGenerator[AIMessageChunk]", chunks)):
                async for chunk in chunks:
                    counted.saw(chunk)
                    yield Piece(choice, chunk)
