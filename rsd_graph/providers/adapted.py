"""Models as people write them, made into models as the graph asks them.

A method may be sync or async; a PRM may return `Scores` or a plain list of numbers. What cannot be
used is one of our errors that names the class and the method, and shows a right one.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast, get_args

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Candidate, Ended
from rsd_graph.errors import (
    ConfigurationError,
    MalformedResponseError,
    ProviderError,
    RewardError,
    Role,
    RSDError,
)
from rsd_graph.plugins import check_call
from rsd_graph.providers.base import (
    Models,
    Prefix,
    RewardModel,
    RewardModelLike,
    Scores,
    StepModel,
    StepModelLike,
    StepRequest,
    is_reward,
)
from rsd_graph.providers.names import Name, public_name

T = TypeVar("T")

WRITE_STEP = 'def write_step(self, request): return candidate("3 + 4 = 7.", "separator")'
SCORE = "def score(self, prefix, candidates): return [0.5 for candidate in candidates]"
REWARD_RANGE = "reward_range = (0.0, 1.0)"
"""Right ones, shown in errors."""

_MORE = ("endpoint", "describe", "log_probability", "approximation", "family")
"""What models may offer beyond their protocol, and is looked for."""


def adapted(draft: StepModelLike, target: StepModelLike, prm: RewardModelLike) -> Models:
    """The three models, ready to be asked.

    Raises:
        ConfigurationError: One lacks what its role asks of it, or cannot be called so.
    """
    writers = adapted_step_model(draft, "draft"), adapted_step_model(target, "target")
    return Models(*writers, adapted_prm(prm))


def adapted_step_model(model: StepModelLike, role: Role | None = None) -> StepModel:
    """*model* as a `StepModel`; ours are returned as they are.

    Raises:
        ConfigurationError: It has no `write_step(request)`.
    """
    method = _method(model, "write_step", 1, WRITE_STEP, role)
    return cast("StepModel", model) if _is_ours(method) else _StepModel(model, role)


def adapted_prm(prm: RewardModelLike) -> RewardModel:
    """*prm* as a `RewardModel`; ours are returned as they are.

    Raises:
        ConfigurationError: It has no `score(prefix, candidates)`, or no `reward_range`.
    """
    method = _method(prm, "score", 2, SCORE, "prm")
    match getattr(prm, "reward_range", None):
        case (low, high) if is_reward(low) and is_reward(high) and low <= high:
            return cast("RewardModel", prm) if _is_ours(method) else _RewardModel(prm)
    what = f"{type(prm).__name__}.reward_range is no lowest and highest reward."
    raise ConfigurationError(what, role="prm", expected=REWARD_RANGE)


async def run(function: Callable[..., T | Awaitable[T]], *arguments: object) -> T:
    """What *function* returns, sync or async; a sync one cannot hold up other answers."""
    plain = cast("Callable[..., object]", function)
    is_async = inspect.iscoroutinefunction(function)
    result = plain(*arguments) if is_async else await asyncio.to_thread(plain, *arguments)
    return cast("T", await result if inspect.isawaitable(result) else result)


@contextmanager
def failing_as(kind: type[RSDError], what: str, expected: str, role: Role | None) -> Iterator[None]:
    """Whatever is raised inside is a *kind* that says *what* failed; our own errors are themselves.

    So are LangGraph's interrupts: a model may ask a human.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, RSDError) or type(error).__module__.startswith("langgraph."):
            raise
        message = f"{what} failed: {type(error).__name__}: {error}."
        raise kind(message, role=role, expected=expected) from error


class _Adapted:
    """Keeps to be found what else the model offers."""

    def __init__(self, model: Any, method: str, role: Role | None) -> None:
        self._model = model
        self._role = role
        self._what = f"{type(model).__name__}.{method}"
        for name in _MORE:
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    @property
    def public_name(self) -> Name:
        """See `Named`."""
        return public_name(self._model)

    def __repr__(self) -> str:
        return repr(self._model)


class _StepModel(_Adapted):
    def __init__(self, model: StepModelLike, role: Role | None) -> None:
        super().__init__(model, "write_step", role)

    async def write_step(self, request: StepRequest) -> Candidate:
        """See `StepModel.write_step`."""
        with failing_as(ProviderError, self._what, WRITE_STEP, self._role):
            step = await run(self._model.write_step, request)
        if problem := _problem(step):
            what = f"{self._what} returned {problem}."
            raise MalformedResponseError(what, role=self._role, expected=WRITE_STEP)
        return cast("Candidate", step)


class _RewardModel(_Adapted):
    def __init__(self, prm: RewardModelLike) -> None:
        super().__init__(prm, "score", "prm")
        low, high = prm.reward_range
        self.reward_range = (float(low), float(high))

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`."""
        started = time.perf_counter()
        with failing_as(RewardError, self._what, SCORE, "prm"):
            result = await run(self._model.score, prefix, candidates)
            if scores := _scores(result, (time.perf_counter() - started) * 1000):
                return scores
        what = f"{self._what} returned {type(result).__name__}."
        raise RewardError(what, role="prm", expected=SCORE)


def _method(model: object, name: str, count: int, right: str, role: Role | None) -> object:
    """The method *name* of *model*, if it can be called with *count* arguments, as *right* can."""
    kind = type(model).__name__
    if isinstance(model, type):
        raise ConfigurationError(
            f"{model.__name__} is a class.", role=role, expected=f"a model: {model.__name__}(...)"
        )
    method = getattr(model, name, None)
    if not callable(method):
        raise ConfigurationError(
            f"{kind} has no {name}.",
            role=role,
            expected=right,
            hint="Or name a model by an endpoint string, such as vllm+http://host:8000/v1#model.",
        )
    check_call(method, count, f"{kind}.{name}", right, role=role)
    return method


def _is_ours(method: object) -> bool:
    """Whether this package's own tests answer for it."""
    return str(getattr(method, "__module__", "")).startswith("rsd_graph.")


def _problem(step: object) -> str | None:
    """What is wrong with a drafted step, if anything is."""
    if not isinstance(step, Mapping):
        return type(step).__name__
    if missing := [key for key in ("text", "ended", "logprob", "usage") if key not in step]:
        return f"a step without {', '.join(missing)}"
    if not isinstance(step["text"], str) or step["ended"] not in get_args(Ended):
        return f"a step of which text or ended cannot be; ended is {' or '.join(get_args(Ended))}"
    return None if _is_usage(step["usage"]) else "a step whose usage is none"


def _scores(result: object, ms: float) -> Scores | None:
    """The result of a PRM as `Scores`; `None` if it cannot be.

    Numbers of any library become Python's; what is no number is left for `check_scores` to refuse.
    """
    spent: Usage = usage(cached_tokens=0, ms=ms)
    rewards, step_rewards, judged = result, [], None
    if isinstance(result, Scores):
        rewards, spent, judged = result.rewards, result.usage, result.judged
        step_rewards = list(result.step_rewards)
    if isinstance(rewards, str | bytes | Mapping) or not isinstance(rewards, Iterable):
        return None
    numbers = [float(reward) if is_reward(reward) else reward for reward in rewards]
    return Scores(numbers, spent, step_rewards, judged) if _is_usage(spent) else None


def _is_usage(value: object) -> bool:
    return isinstance(value, Mapping) and Usage.__required_keys__ <= value.keys()
