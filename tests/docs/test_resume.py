"""The lines that the how-to gives for resuming, after a death at each place where one can die."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from rsd_graph import (
    ScriptedRewardModel,
    ScriptedStepModel,
    candidate,
    create_rsd_graph,
    initial_state,
)
from tests.helpers.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "resume-and-rewind.md"
CONFIG: RunnableConfig = {"configurable": {"thread_id": "question-1"}}
STEPS = ["one", "two", "three"]


class DyingSaver(InMemorySaver):
    """Dies instead of storing checkpoint number *last*, once, as a killed process would."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self._left = last

    def put(self, *args: Any, **kwargs: Any) -> RunnableConfig:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return super().put(*args, **kwargs)


def graph(saver: DyingSaver, settled: int = 0) -> Any:
    """Scripted models that have written *settled* steps already, all accepted."""
    left = [candidate(text, "eos" if text == STEPS[-1] else "separator") for text in STEPS]
    draft, prm = ScriptedStepModel(left[settled:]), ScriptedRewardModel([1.0] * len(STEPS))
    return create_rsd_graph(draft=draft, target=ScriptedStepModel([]), prm=prm).compile(
        checkpointer=saver
    )


@pytest.mark.parametrize("last", range(1, 11))
def test_an_answer_is_finished_wherever_the_process_died(last: int) -> None:
    """`finish_reason` tells what is left to do, where `state.next` is empty."""
    saver = DyingSaver(last)
    with pytest.raises(KeyboardInterrupt):
        graph(saver).invoke(initial_state("q"), CONFIG, durability="sync")
    left = graph(saver).get_state(CONFIG)
    drafted = len(left.values.get("steps", [])) + len(left.values.get("candidates", []))

    names = {"config": CONFIG, "QUESTION": "q", "initial_state": initial_state}
    names["graph"] = graph(saver, settled=drafted)
    exec(blocks(PAGE, "python")[1].text, names)

    answer: Any = names["answer"]
    assert [step["text"] for step in answer["steps"]] == STEPS
