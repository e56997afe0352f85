"""Which requests belong together: all of one answer carry one id.

Each of them reads the whole answer again, and only the server that wrote it has it in its prefix
cache. `Replicas` keeps them together; so do routers in front of several servers, by the header that
every request carries, and vLLM's engines in one server, by a number (see the docs on replicas).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b

_SESSION = ContextVar("rsd_session", default="")
_REPLICA = ContextVar("rsd_replica", default="")


@contextmanager
def session(name: str) -> Iterator[None]:
    """Requests made inside, and by tasks begun inside, belong to the answer *name*."""
    with _set(_SESSION, name):
        yield


@contextmanager
def only_at(url: str) -> Iterator[None]:
    """Requests made inside go to the replica at *url*, whatever becomes of it."""
    with _set(_REPLICA, url):
        yield


def current_session() -> str:
    """The answer that is being written; empty for a request that belongs to none."""
    return _SESSION.get()


def session_headers(names: str) -> dict[str, str]:
    """The current answer's id under every one of *names*; nothing outside of an answer.

    A name with a count, as in `X-data-parallel-rank:4`, has a number below it in place of the id:
    the same for all requests of an answer, and each for as many answers as any other.
    """
    name = current_session()
    return dict(_header(name, *one.split(":")) for one in names.split(",")) if name else {}


def _header(name: str, header: str, count: str = "") -> tuple[str, str]:
    if not count:
        return header, f"rsd-{name}"
    drawn = blake2b(name.encode(), digest_size=8).digest()
    return header, str(int.from_bytes(drawn) % int(count))


def current_replica() -> str:
    """The only replica to ask; empty for any."""
    return _REPLICA.get()


@contextmanager
def _set(variable: ContextVar[str], value: str) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
