"""Providers that read from a script: for tests without endpoints, yours and ours."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Candidate, Ended
from rsd_graph.errors import ScriptExhaustedError
from rsd_graph.providers.base import Prefix, Scores, StepRequest


def candidate(
    text: str,
    ended: Ended = "separator",
    *,
    tokens: int | None = None,
    logprob: float | None = None,
    cost: Usage | None = None,
) -> Candidate:
    """A candidate for scripts; one token per word unless *tokens* or *cost* says otherwise."""
    count = len(text.split()) if tokens is None else tokens
    spent = cost or usage(completion_tokens=count)
    return Candidate(text=text, ended=ended, logprob=logprob, usage=spent)


class ScriptedStepModel:
    """Writes the scripted steps in order and remembers what it was asked.

    A string ends in the separator; end the last one with `candidate(text, "eos")`. An exception in
    the script is raised in its turn.

    Attributes:
        history: Every request, in order.

    Raises:
        ScriptExhaustedError: Asked for more steps than the script holds.
    """

    def __init__(self, script: Iterable[str | Candidate | Exception]) -> None:
        self._script = deque(script)
        self.history: list[StepRequest] = []

    async def write_step(self, request: StepRequest) -> Candidate:
        """The next line of the script."""
        self.history.append(request)
        if not self._script:
            raise ScriptExhaustedError(f"the script ended before call {len(self.history)}.")
        line = self._script.popleft()
        if isinstance(line, Exception):
            raise line
        return candidate(line) if isinstance(line, str) else line


class ScriptedRewardModel:
    """Gives the scripted rewards, one per candidate; see `ScriptedStepModel`."""

    def __init__(
        self,
        script: Iterable[float | Exception],
        *,
        reward_range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self._script = deque(script)
        self._range = reward_range
        self.history: list[tuple[Prefix, Sequence[Candidate]]] = []

    @property
    def reward_range(self) -> tuple[float, float]:
        """As given."""
        return self._range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """The next rewards of the script."""
        self.history.append((prefix, candidates))
        return Scores([self._next() for _ in candidates], usage())

    def _next(self) -> float:
        if not self._script:
            raise ScriptExhaustedError(f"the script ended before call {len(self.history)}.")
        line = self._script.popleft()
        if isinstance(line, Exception):
            raise line
        return line


class FunctionStepModel:
    """A step model from a function of the request: for property tests and simulations."""

    def __init__(self, function: Callable[[StepRequest], Candidate]) -> None:
        self._function = function

    async def write_step(self, request: StepRequest) -> Candidate:
        """Whatever the function says."""
        return self._function(request)
