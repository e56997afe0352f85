"""A PRM from a Python function: your own model, a rule, an LLM you ask yourself."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Sequence

from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import RewardError, RSDError
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.prm.format import question_of

RewardFunction = Callable[[str, list[str]], float | Awaitable[float]]
"""(question, steps so far) -> the reward of the last step."""


class FunctionPRM:
    """Rewards from *function*, called once per candidate.

    Args:
        function: `f(question, steps) -> reward` of the last step, given all before it; sync or
            async. It is called in a worker thread, so that it cannot hold up other answers.
        reward_range: Lowest and highest reward it can give.
    """

    def __init__(
        self, function: RewardFunction, reward_range: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        self._function = function
        self._range = reward_range

    @property
    def reward_range(self) -> tuple[float, float]:
        """As declared."""
        return self._range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            RewardError: The function raised, or returned no number.
        """
        started = time.perf_counter()
        question = question_of(prefix.conversation)
        steps = [step["text"] for step in prefix.steps]
        rewards = []
        for candidate in candidates:
            steps.append(candidate["text"])
            rewards.append(await self._reward(question, list(steps)))
        elapsed = (time.perf_counter() - started) * 1000
        return Scores(rewards, usage(calls=len(candidates), cached_tokens=0, ms=elapsed))

    async def _reward(self, question: str, steps: list[str]) -> float:
        try:
            result = await asyncio.to_thread(self._function, question, steps)
            return float(await result if inspect.isawaitable(result) else result)
        except RSDError:
            raise
        except Exception as error:
            raise RewardError(
                f"the reward function failed: {type(error).__name__}: {error}.",
                role="prm",
                expected="a number",
                hint="f(question, steps) must return the reward of the last step.",
            ) from error
