"""The tree of errors: what each says, travels with, and whether somebody tries again."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
from langgraph.types import RetryPolicy as LangGraphsRetryPolicy

from rsd_graph import errors
from rsd_graph.errors import ProviderError, RSDError


def tree(kind: type[RSDError] = RSDError) -> Iterator[type[RSDError]]:
    """Every error there is."""
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


LEAVES = [kind for kind in tree() if kind not in (RSDError, ProviderError)]
"""All that are raised for a known reason."""


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_langgraphs_default_tries_again_what_may_help(kind: type[RSDError]) -> None:
    """`RetryPolicy()` of LangGraph, with nothing set, agrees with `retryable`."""
    retry_on = LangGraphsRetryPolicy().retry_on

    assert callable(retry_on)
    assert retry_on(kind("it happened.")) == kind.retryable


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_an_error_travels_whole(kind: type[RSDError]) -> None:
    """Between processes, with all it says."""
    error = kind("what.", role="prm", endpoint="http://h", expected="that", hint="Do this.")
    error.add_note("after 3 attempts")
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), again.__notes__) == (kind, str(error), ["after 3 attempts"])
    assert str(error) == "prm at http://h: what. Expected that. Do this."


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_no_error_steers_a_terminal(kind: type[RSDError]) -> None:
    """Escapes, overprinting, right-to-left and half characters become spaces; lines stay."""
    bad = "a\x1b[31mb\r\u202ec\ud800\x00d\ne"
    error = kind(bad, endpoint=bad, expected=bad, hint=bad)

    assert error.message == error.args[0] == error.hint == "a [31mb  c  d\ne"
    assert str(error).replace("\n", "").isprintable()


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Every error is drawn there, with what it derives from besides."""
    drawn = errors.__doc__ or ""
    for kind in LEAVES:
        (line,) = [line for line in drawn.splitlines() if f"─ {kind.__name__} " in line]
        assert ("retryable" in line) == kind.retryable
        for base in (ValueError, RuntimeError):
            assert (base.__name__ in line) == (base in kind.__bases__)
