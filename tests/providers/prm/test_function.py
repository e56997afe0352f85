"""A PRM from a Python function."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rsd_graph import Prefix, RewardError, RewardModel, candidate
from rsd_graph.answer.state import Message
from rsd_graph.errors import ServerError
from rsd_graph.providers.prm import FunctionPRM

PREFIX = Prefix([Message(role="user", content="Q")], [candidate("a")])


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_function_sees_the_question_and_all_steps(asynchronous: bool) -> None:
    """Sync or async, it is called once per candidate, each after all before it."""
    calls: list[tuple[str, list[str]]] = []

    def plain(question: str, steps: list[str]) -> float:
        calls.append((question, steps))
        return len(steps) / 10

    async def waiting(question: str, steps: list[str]) -> float:
        await asyncio.sleep(0)
        return plain(question, steps)

    prm = FunctionPRM(waiting if asynchronous else plain)
    scores = await prm.score(PREFIX, [candidate("b"), candidate("c")])

    assert scores.rewards == [0.2, 0.3]
    assert calls == [("Q", ["a", "b"]), ("Q", ["a", "b", "c"])]
    assert (scores.usage["calls"], scores.usage["prompt_tokens"]) == (2, 0)
    assert isinstance(prm, RewardModel)


def test_the_range_is_declared() -> None:
    """Rewards are not portable: the function says what it can give, [0, 1] by default."""
    assert FunctionPRM(lambda question, steps: 0.5).reward_range == (0.0, 1.0)
    assert FunctionPRM(lambda question, steps: 0.5, (-1, 1)).reward_range == (-1, 1)


@pytest.mark.parametrize("result", [None, "good", [0.5]])
async def test_a_result_that_is_no_number_is_a_reward_error(result: Any) -> None:
    """A forgotten return is no reward of zero."""
    with pytest.raises(RewardError, match="Expected a number"):
        await FunctionPRM(lambda question, steps: result).score(PREFIX, [candidate("b")])


async def test_what_the_function_raises_is_the_cause() -> None:
    """A bug in the function is a RewardError with the bug as its cause; ours pass through."""

    def broken(question: str, steps: list[str]) -> float:
        raise KeyError("oops")

    def down(question: str, steps: list[str]) -> float:
        raise ServerError("down")

    with pytest.raises(RewardError, match="KeyError: 'oops'") as caught:
        await FunctionPRM(broken).score(PREFIX, [candidate("b")])
    with pytest.raises(ServerError, match="down"):
        await FunctionPRM(down).score(PREFIX, [candidate("b")])

    assert isinstance(caught.value.__cause__, KeyError)
