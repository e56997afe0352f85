"""A run can die and be resumed, and its storage grows linearly."""

from __future__ import annotations

import multiprocessing
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langgraph.checkpoint.sqlite")

from langgraph.checkpoint.sqlite import SqliteSaver

from benchmarks.checkpoint_growth import bytes_in_memory, bytes_in_sqlite
from rsd_graph import Phases
from tests.helpers import durable_child
from tests.helpers.durable_child import NOBODY_THINKS, STEPS, THREAD, Report, durable_graph

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.helpers.durable_child"])

# -- SIGKILL -----------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "checkpoints.sqlite")


def settled(database: str) -> list[dict[str, Any]]:
    """The steps the database knows to be settled."""
    with SqliteSaver.from_conn_string(database) as saver:
        state = durable_graph().compile(checkpointer=saver).get_state(THREAD)
    return list(state.values.get("steps", []))


def live_until(
    database: str, calls: int, phases: Phases = NOBODY_THINKS
) -> tuple[list[tuple[str, int]], bool]:
    """Let a process live until it has made that many calls, then kill it before the next one.

    Returns all the calls it made, and whether it died of the kill.
    """
    ours, theirs = PROCESSES.Pipe(duplex=False)
    report = Report(theirs, PROCESSES.Semaphore(calls))
    process = PROCESSES.Process(target=durable_child.live, args=(database, report, phases))
    process.start()
    theirs.close()
    heard: list[tuple[str, int]] = []
    for said in _until_eof(ours):
        heard.append(said)
        if len(heard) == calls:
            process.kill()
    process.join()
    return heard, process.exitcode == -signal.SIGKILL


def _until_eof(pipe: Any) -> Iterator[tuple[str, int]]:
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


@pytest.mark.parametrize("phase", ["thinking", "answer"])
def test_a_run_killed_in_either_phase_goes_on_in_it(database: str, phase: str) -> None:
    """Where a step belongs is in the state: the thinking is closed where it was, once."""
    phases = Phases("on")
    live_until(database, 6 if phase == "thinking" else 20, phases)
    before = settled(database)

    _, killed = live_until(database, 99, phases)

    after = settled(database)
    assert not killed
    assert before[-1]["phase"] == phase
    assert after[: len(before)] == before
    assert [step["phase"] for step in after] == ["thinking"] * 7 + ["answer"] * 5
    assert after[6]["ended"] == "closed"


@pytest.mark.parametrize("chance", [1, 2, 3])
def test_a_killed_run_resumes_and_finishes(database: str, chance: int) -> None:
    """SIGKILL at random points: every settled step survives, and none is generated again."""
    dice = random.Random(chance)
    deaths, killed = 0, True
    while killed:
        before = settled(database)
        heard, killed = live_until(database, dice.randint(1, 12))
        after = settled(database)
        deaths += killed

        assert after[: len(before)] == before
        assert all(index >= len(before) for _, index in heard)

    assert deaths >= 3
    assert [step["text"] for step in settled(database)] == [
        f"{'target' if index % 3 == 2 else 'draft'} {index}" for index in range(STEPS)
    ]


# -- storage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stored_bytes", [bytes_in_memory, bytes_in_sqlite])
def test_storage_grows_linearly_with_the_steps(stored_bytes: Callable[[int], int]) -> None:
    """Four times the steps take about four times the room, not sixteen."""
    assert stored_bytes(200) < 5 * stored_bytes(50)
