"""Do all servers of one endpoint serve the same model?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from rsd_graph.errors import RSDError
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.session import only_at
from rsd_graph.stacks.doctor.finding import Finding, fine

T = TypeVar("T")

_FIX = "Serve the same weights, template and precision at every server of this endpoint."


async def replicas_agree(
    endpoint: Endpoint, ask: Callable[[], Awaitable[T]], same: Callable[[T, T], bool]
) -> Finding:
    """Whether *ask*, at each server by itself, brings the *same*."""
    said: dict[str, T] = {}
    for replica in endpoint.replicas:
        try:
            with only_at(replica.url):
                said[replica.url] = await ask()
        except RSDError as error:
            return "fail", f"{replica.url}: {error.message}", error.hint or _FIX
    (first, expected), *others = said.items()
    for url, found in others:
        if not same(expected, found):
            return "fail", f"{url} does not say what {first} says", _FIX
    return fine(f"{len(said)} servers, one answer")
