"""Many answers at once: nothing grows, nothing is left. `make chaos` does the same for long."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest

if not Path("/proc/self/fd").exists() or "fork" not in multiprocessing.get_all_start_methods():
    pytest.skip("what grows is read from Linux's /proc", allow_module_level=True)

from tests.chaos import load
from tests.chaos.load import Found
from tests.chaos.server import WorldServer


@pytest.fixture
def url() -> Iterator[str]:
    with WorldServer(seed=3) as server:
        yield server.url


def test_nothing_grows_while_many_are_asked(url: str) -> None:
    """Memory, descriptors and tasks at begin, middle and end; every answer the right one."""
    found = Found()
    load.many_at_once(found, url, wide=8, seconds=1)

    assert found.violations == []
    assert found.counts["the fake: tasks left"] == 0


def test_a_batch_of_many(url: str) -> None:
    """Every answer stands at its question's place."""
    found = Found()
    load.many_in_a_batch(found, questions=12)

    assert found.violations == []
    assert (found.counts["answers by one abatch"], found.counts["answers by one batch"]) == (12, 12)


def test_loops_and_threads_leave_nothing_behind(url: str) -> None:
    """Event loops one after the other, threads side by side."""
    found = Found()
    load.many_loops(found, url, 4)
    load.many_threads(found, url, threads=8, each=1)

    assert found.violations == []
    assert found.counts["answers of 8 threads"] == 8


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_between_two_steps_of_a_stream(url: str) -> None:
    """The child answers a question of its own, and the stream goes on to its right end."""
    found = Found()
    load.children_while_streaming(found, url, each=1, methods=("fork",))

    assert found.violations == []
