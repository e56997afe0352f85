"""A run can die, be resumed, rewound and interrupted, and its storage grows linearly."""

from __future__ import annotations

import multiprocessing
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from benchmarks.checkpoint_growth import bytes_in_memory, bytes_in_sqlite
from rsd_graph import candidate, initial_state, reward_threshold
from tests.helpers import durable_child
from tests.helpers.durable_child import STEPS, THREAD, durable_graph
from tests.helpers.scripted import Scripted, sources, texts

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.helpers.durable_child"])

END = candidate("end", "eos")


# -- SIGKILL -----------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "checkpoints.sqlite")


def settled(database: str) -> list[dict[str, Any]]:
    """The steps the database knows to be settled."""
    with SqliteSaver.from_conn_string(database) as saver:
        state = durable_graph().compile(checkpointer=saver).get_state(THREAD)
    return list(state.values.get("steps", []))


def live_until(database: str, calls: int) -> tuple[list[tuple[str, int]], bool]:
    """Let a process live until it has made that many calls, then kill it.

    Returns all the calls it made, and whether it died of the kill.
    """
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=durable_child.live, args=(database, theirs))
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


async def test_a_failed_run_resumes_where_it_failed() -> None:
    """With a checkpointer, an endpoint that comes back costs one call, not the answer."""
    down = ConnectionError("gone")
    run = Scripted(["a", "wrong", END], [0.9, 0.1, 0.9], [down, "right"])
    graph = run.graph.compile(checkpointer=InMemorySaver())

    with pytest.raises(ConnectionError):
        await graph.ainvoke(initial_state("q"), THREAD)
    answer = await graph.ainvoke(None, THREAD)

    assert texts(answer) == ["a", "right", "end"]
    assert (len(run.draft.history), len(run.prm.history)) == (3, 3)


# -- storage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stored_bytes", [bytes_in_memory, bytes_in_sqlite])
def test_storage_grows_linearly_with_the_steps(stored_bytes: Callable[[int], int]) -> None:
    """Four times the steps take about four times the room, not sixteen."""
    assert stored_bytes(200) < 5 * stored_bytes(50)


# -- time travel -------------------------------------------------------------------------------


def finished_run(saver: InMemorySaver) -> Any:
    """An answer of three accepted steps, and its history."""
    run = Scripted(["a", "b", END], [0.9, 0.8, 0.9])
    graph = run.graph.compile(checkpointer=saver)
    graph.invoke(initial_state("q", seed=0), THREAD)
    return graph, list(graph.get_state_history(THREAD))


def decided_at(history: Any, index: int) -> Any:
    """The checkpoint at which the step of this index had been decided and not settled yet."""
    nexts = [(("accept",), index), (("target",), index)]
    return next(s for s in history if (s.next, len(s.values.get("steps", []))) in nexts)


def test_a_step_can_be_decided_again_with_another_delta() -> None:
    """Rewind to a verdict and decide anew: the PRM is not asked again about that step."""
    saver = InMemorySaver()
    _, history = finished_run(saver)
    stricter = Scripted([END], [0.9], ["B"], accept=reward_threshold(0.85))
    graph = stricter.graph.compile(checkpointer=saver)

    fork = graph.update_state(decided_at(history, 1).config, None, as_node="score")
    answer = graph.invoke(None, fork)

    assert texts(answer) == ["a", "B", "end"]
    assert sources(answer) == ["draft", "target", "draft"]
    assert stricter.target.history[0].prefix.text == "a\n\n"
    assert len(stricter.prm.history) == 1


def test_a_step_can_be_written_again_by_another_target() -> None:
    """Rewind to before the target wrote, and go on with another one."""
    saver = InMemorySaver()
    first = Scripted(["wrong", END], [0.1, 0.9], ["old"]).graph.compile(checkpointer=saver)
    first.invoke(initial_state("q", seed=0), THREAD)
    history = list(first.get_state_history(THREAD))
    second = Scripted([END], [0.9], ["new"]).graph.compile(checkpointer=saver)

    answer = second.invoke(None, decided_at(history, 0).config)

    assert texts(answer) == ["new", "end"]
    assert answer["ledger"]["target"]["calls"] == 1


def test_every_step_can_be_looked_at_again() -> None:
    """The history holds the answer after each settled step."""
    _, history = finished_run(InMemorySaver())

    after = [texts(state.values) for state in history if state.next in ((), ("draft",))]

    assert after == [["a", "b", "end"], ["a", "b"], ["a"], []]


# -- a human in the loop -----------------------------------------------------------------------


def interrupted() -> tuple[Any, Scripted]:
    """A run that has stopped before the target rewrites its first step."""
    run = Scripted(["doubtful", END], [0.4, 0.9], ["target"])
    graph = run.graph.compile(checkpointer=InMemorySaver(), interrupt_before=["target"])
    graph.invoke(initial_state("q", seed=0), THREAD)
    return graph, run


def test_a_run_can_stop_at_every_rejected_step() -> None:
    """`interrupt_before=["target"]` shows the rejected draft and its reward, and waits."""
    graph, run = interrupted()

    state = graph.get_state(THREAD)

    assert state.next == ("target",)
    assert state.values["candidates"][0]["text"] == "doubtful"
    assert state.values["rewards"] == [0.4]
    assert run.target.history == []


def test_a_human_can_let_the_target_write() -> None:
    """Resuming as it is: Algorithm 1 goes on."""
    graph, _ = interrupted()

    assert texts(graph.invoke(None, THREAD)) == ["target", "end"]


def test_a_human_can_overrule_the_prm() -> None:
    """A reward set by hand decides, and the target is not asked."""
    graph, run = interrupted()

    graph.update_state(THREAD, {"rewards": [1.0]}, as_node="score")
    answer = graph.invoke(None, THREAD)

    assert (texts(answer), answer["steps"][0]["reward"]) == (["doubtful", "end"], 1.0)
    assert run.target.history == []


def test_a_human_can_write_the_step() -> None:
    """A candidate edited by hand is settled, and the draft goes on from it."""
    graph, run = interrupted()
    (draft,) = graph.get_state(THREAD).values["candidates"]

    edited = {"candidates": [{**draft, "text": "by hand"}], "rewards": [1.0]}
    graph.update_state(THREAD, edited, as_node="score")
    answer = graph.invoke(None, THREAD)

    assert texts(answer) == ["by hand", "end"]
    assert run.draft.history[1].prefix.text == "by hand\n\n"
