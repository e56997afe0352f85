"""A run can be resumed, rewound and interrupted."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from rsd_graph import candidate, initial_state, reward_threshold
from tests.helpers.scripted import Scripted, sources, texts

THREAD: Any = {"configurable": {"thread_id": "one"}}

END = candidate("end", "eos")


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
