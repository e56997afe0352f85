"""Several servers of one model: every request of an answer goes to the one that wrote its prefix.

Rendezvous hashing ("highest random weight", Thaler and Ravishankar 1998) of the answer's id says
which server an answer prefers, so that adding one moves only its share of the answers. With bounded
load (Mirrokni et al. 2018) an answer starts at its second choice where the first is too busy. It
stays where it started until that server is gone: the next one reads the prefix anew and, by the
seed of its own that every step has, writes the same text.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from rsd_graph.answer.recent import Recent
from rsd_graph.errors import EndpointConnectionError, EndpointTimeoutError, ProviderError
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.level import Gate, Level, show_level
from rsd_graph.providers.http.session import current_replica, current_session
from rsd_graph.providers.logs import get_logger

T = TypeVar("T")

Exchange = Callable[[Endpoint, Gate], Awaitable[T]]
"""One request: whom to ask, and where to wait for a turn."""

BOUND = 1.25
"""How many times its share of the requests in flight a replica takes before answers start
elsewhere."""

EJECTED_SECONDS = 5.0
"""How long a replica that was not reached is left alone; then one request tries it again."""

_REMEMBERED_ANSWERS = 65536


@dataclass(slots=True, eq=False)
class Replica:
    """One server, as one event loop sees it.

    Attributes:
        endpoint: Where it is.
        gate: Lets as many requests in as may be in flight there.
        asked: Requests in flight or waiting.
        ejected_until: When to try it again, by the loop's clock; 0 if it was reached last time.
    """

    endpoint: Endpoint
    gate: Gate
    asked: int = 0
    ejected_until: float = 0.0


class Replicas:
    """The servers of one endpoint on one event loop, and which answer is where.

    Args:
        endpoint: One or several servers.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        most, searches = endpoint.most_in_flight, endpoint.max_concurrency == "auto"
        self._all = [Replica(one, Gate(Level(most, searches))) for one in endpoint.replicas]
        self._home: Recent[str, Replica] = Recent(_REMEMBERED_ANSWERS)

    async def ask(self, exchange: Exchange[T]) -> T:
        """*exchange* with the replica of this answer, or with the next one if it is not reached.

        Raises:
            ProviderError: None was reached, or what one of them said.
        """
        name = current_session()
        order = self._in_order(name)
        replica = next(order)
        while True:
            try:
                return await self._ask_one(replica, name, exchange)
            except EndpointConnectionError:
                if (following := next(order, None)) is None:
                    raise
                replica = following

    async def _ask_one(self, replica: Replica, name: str, exchange: Exchange[T]) -> T:
        if replica.ejected_until:
            self._eject(replica)  # nobody else tries it meanwhile
        replica.asked += 1
        show_level(f"{replica.endpoint.role} {replica.endpoint}", replica.gate.level)
        try:
            answer = await exchange(replica.endpoint, replica.gate)
        except (EndpointConnectionError, EndpointTimeoutError) as error:
            self._eject(replica, error)
            raise
        finally:
            replica.asked -= 1
        replica.ejected_until = 0.0
        if name:
            self._home[name] = replica
        return answer

    def _in_order(self, name: str) -> Iterator[Replica]:
        """Whom to ask: those that can be reached, as far as is known, the answer's own first.

        The others are looked at only if that one is not reached: hundreds of them take time.
        """
        if len(self._all) == 1:
            yield from self._all
            return
        if url := current_replica():
            yield from (one for one in self._all if one.endpoint.url == url)
            return
        now, home = asyncio.get_running_loop().time(), self._home.get(name)
        if home and home.ejected_until <= now:
            yield home
        reachable = [one for one in self._all if one.ejected_until <= now] or self._all
        ranked = _ranked(name, reachable)
        if home not in reachable:
            yield (home := _not_too_busy(ranked))
        yield from (one for one in ranked if one is not home)

    def _eject(self, replica: Replica, error: ProviderError | None = None) -> None:
        if error and not replica.ejected_until and len(self._all) > 1:
            get_logger(__name__).warning(
                "rsd.replica_ejected",
                role=error.role,
                endpoint=error.endpoint,
                seconds=EJECTED_SECONDS,
                error=type(error).__name__,
            )
        replica.ejected_until = asyncio.get_running_loop().time() + EJECTED_SECONDS


def _ranked(name: str, replicas: Sequence[Replica]) -> Sequence[Replica]:
    """As the answer *name* prefers them; what belongs to no answer prefers the least busy."""
    if not name:
        return sorted(replicas, key=lambda one: one.asked)
    return sorted(replicas, key=lambda one: _weight(name, one.endpoint.url), reverse=True)


def _not_too_busy(ranked: Sequence[Replica]) -> Replica:
    most = math.ceil(BOUND * (sum(one.asked for one in ranked) + 1) / len(ranked))
    return next((one for one in ranked if one.asked < most), ranked[0])


def _weight(name: str, url: str) -> bytes:
    return blake2b(f"{name} {url}".encode(), digest_size=8).digest()
