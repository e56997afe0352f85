"""A PRM from a Python function: your own model, a rule, an LLM you ask yourself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from numbers import Real

from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import RewardError
from rsd_graph.plugins import check_call
from rsd_graph.providers.adapted import failing_as, run
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.prm.format import question_of

RewardFunction = Callable[[str, list[str]], float | Awaitable[float]]
"""(question, steps so far) -> the reward of the last step."""

_EXPECTED = "a number from f(question, steps): the reward of the last step"


class FunctionPRM:
    """Rewards from *function*, called once per candidate.

    Args:
        function: `f(question, steps) -> reward` of the last step, given all before it; sync or
            async. A sync one is called in a worker thread, so that it cannot hold up other answers.
        reward_range: Lowest and highest reward it can give; a `bool` counts as 0 or 1.

    Raises:
        ConfigurationError: It cannot be called with a question and steps.
    """

    def __init__(
        self, function: RewardFunction, reward_range: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        check_call(function, 2, "the reward function", _EXPECTED, role="prm")
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
        with failing_as(RewardError, "the reward function", _EXPECTED, "prm"):
            reward: object = await run(self._function, question, steps)
        if isinstance(reward, Real):
            return float(reward)
        what = f"the reward function returned {type(reward).__name__}."
        raise RewardError(what, role="prm", expected=_EXPECTED)
