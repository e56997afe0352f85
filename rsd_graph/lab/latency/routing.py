"""The replicas of one simulated role, and which of them is asked next.

* `in turn`: answer after answer is dealt out, and each stays where it is: the best there is.
* `rendezvous`: what our client does, by its own code (`providers/http/replicas.py`): the answer's
  name chooses, and an answer starts elsewhere where that one is too busy. Every client sees its own
  answers alone.
* `scattered`: every request goes to the next replica, as behind a balancer that knows no answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from typing import Literal

from rsd_graph.lab.latency.scheduler import Engine, Job
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.level import Gate
from rsd_graph.providers.http.replicas import Replicas
from rsd_graph.providers.http.session import session

Routing = Literal["in turn", "rendezvous", "scattered"]

ANSWERS_OF_A_CLIENT = 10_000
"""One process of ours does not work on more at once."""

Ask = Callable[[Engine], Awaitable[list[Job]]]
"""One request to whichever replica is chosen."""


class Fleet:
    """The replicas of one role.

    Args:
        engines: All of them.
        routing: Which of them a request goes to.
    """

    def __init__(self, engines: Sequence[Engine], routing: Routing = "in turn") -> None:
        self.engines = engines
        self._routing = routing
        self._next = cycle(engines)
        hosts = [f"{number}.simulated" for number in range(len(engines))]
        endpoint = Endpoint(f"http://{','.join(hosts)}")
        urls = (one.url for one in endpoint.replicas)
        self._engine_at = dict(zip(urls, engines, strict=True))
        self._endpoint = endpoint
        self._clients = dict[int, Replicas]()

    async def ask(self, question: int, ask: Ask) -> list[Job]:
        """One request of the answer to *question*."""
        if self._routing == "scattered":
            return await ask(next(self._next))
        if self._routing == "in turn":
            return await ask(self.engines[question % len(self.engines)])

        async def exchange(endpoint: Endpoint, _: Gate) -> list[Job]:
            return await ask(self._engine_at[endpoint.url])

        with session(f"{question}"):
            return await self._client_of(question).ask(exchange)

    def _client_of(self, question: int) -> Replicas:
        """Made inside an event loop, as the real one is."""
        number = question // ANSWERS_OF_A_CLIENT
        if number not in self._clients:
            self._clients[number] = Replicas(self._endpoint)
        return self._clients[number]
