"""The acceptance criterion: omega(reward) and the rule that applies it. Pure, no I/O.

A criterion is any callable `reward -> probability of accepting the draft`; a `bool` will do.
These are the paper's weighting functions (Table 1) and the two of the authors' rebuttal:

    constant(p)                 p                             reward-blind control
    reward_threshold(delta)     1 if r >= delta else 0        the paper's default, delta = 0.7
    clipping()                  min(1, max(0, r))
    sigmoidal()                 max(0, r / (1 + r))           never above 1/2 for r in [0, 1]
    logistic(alpha, delta)      1 / (1 + exp(-alpha (r - delta)))
    likelihood_ratio(alpha)     min(1, alpha exp(r))          r = log P_M(y|z) - log P_m(y|z)
    hybrid(beta)                min(1, beta r)                r = reward * P_M(y|z) / P_m(y|z)

The last two take their r from `LikelihoodRatio` and `HybridRatio`, reward models that ask the
target for the probability of the drafted text.

Each can be named by a text, as it stands here: `criterion("logistic(alpha=10, delta=0.7)")`. Other
packages add criteria by entry points: see `rsd_graph.plugins`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import SupportsFloat

from rsd_graph.errors import ConfigurationError, RSDError
from rsd_graph.plugins import Plugins, call, check_call

Criterion = Callable[[float], float]
"""omega: reward of a draft step -> probability of accepting it (a `bool` counts as 0 or 1)."""

Uniform = Callable[[int, int], float]
"""(seed of the run, index of the step) -> u in [0, 1); a pure function, so that runs replay."""


_OURS = (
    *("clipping", "constant", "hybrid", "likelihood_ratio"),
    *("logistic", "reward_threshold", "sigmoidal"),
)
CRITERIA = Plugins(
    "rsd_graph.criteria",
    "acceptance criterion",
    {name: f"rsd_graph.acceptance:{name}" for name in _OURS},
)
"""Name -> a function that makes a `Weighting`, or any `Criterion`, of its parameters."""


@dataclass(frozen=True)
class Weighting:
    """A named weighting function, so that it can be shown, compared and stored with results."""

    name: str
    omega: Criterion = field(repr=False, compare=False)
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, reward: float) -> float:
        """omega(reward)."""
        return self.omega(reward)

    def __str__(self) -> str:
        """As it would be written in code."""
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.parameters.items())})"


def constant(p: float) -> Weighting:
    """Accept with probability *p* whatever the reward: the control that ignores the PRM."""
    _require(0 <= p <= 1, f"constant(p) needs 0 <= p <= 1, got {p}")
    return Weighting("constant", lambda reward: p, {"p": p})


def reward_threshold(delta: float = 0.7) -> Weighting:
    """Accept iff reward >= *delta*: the binary step, optimal under a budget (Proposition 2.3)."""
    _require(math.isfinite(delta), f"reward_threshold(delta) needs a finite delta, got {delta}")
    return Weighting("reward_threshold", lambda reward: float(reward >= delta), {"delta": delta})


def clipping() -> Weighting:
    """Accept with the reward as probability, clipped to [0, 1]."""
    return Weighting("clipping", lambda reward: min(1.0, max(0.0, reward)))


def sigmoidal() -> Weighting:
    """max(0, r / (1 + r)): at most 1/2 on [0, 1], so at least half the steps go to the target."""
    return Weighting("sigmoidal", lambda reward: reward / (1 + reward) if reward > 0 else 0.0)


def logistic(alpha: float, delta: float = 0.7) -> Weighting:
    """1 / (1 + exp(-alpha (r - delta))): a soft threshold, binary as *alpha* grows."""
    _require(0 < alpha < math.inf, f"logistic(alpha) needs a finite alpha > 0, got {alpha}")
    _require(math.isfinite(delta), f"logistic(delta) needs a finite delta, got {delta}")
    parameters = {"alpha": alpha, "delta": delta}
    return Weighting("logistic", lambda reward: sigmoid(alpha * (reward - delta)), parameters)


def likelihood_ratio(alpha: float = 1.0) -> Weighting:
    """min(1, alpha P_M / P_m), for the log-ratio rewards of `LikelihoodRatio` (rebuttal)."""
    _require(0 < alpha < math.inf, f"likelihood_ratio(alpha) needs alpha > 0, got {alpha}")
    shift = math.log(alpha)
    omega: Criterion = lambda log_ratio: math.exp(min(0.0, shift + log_ratio))  # noqa: E731
    return Weighting("likelihood_ratio", omega, {"alpha": alpha})


def hybrid(beta: float = 1.0) -> Weighting:
    """min(1, beta r P_M / P_m), for the weighted rewards of `HybridRatio` (rebuttal)."""
    _require(0 < beta < math.inf, f"hybrid(beta) needs beta > 0, got {beta}")
    return Weighting("hybrid", lambda value: min(1.0, max(0.0, beta * value)), {"beta": beta})


def criterion(text: str) -> Weighting:
    """The criterion that *text* names, such as `logistic(alpha=10, delta=0.7)` or `clipping`.

    Raises:
        ConfigurationError: Not a name with literal arguments, no such criterion, or not with these.
    """
    name, arguments, options = _parts(text)
    make = CRITERIA.load(name)
    try:
        by_order = inspect.signature(make).bind_partial(*arguments).arguments
    except TypeError as error:
        raise ConfigurationError(f"{text} cannot be used: {error}.") from None
    _require(not by_order.keys() & options, f"{text} gives one argument twice.")
    made = call(make, name=name, options=by_order | options)
    if isinstance(made, Weighting):
        return made
    _require_callable(made)
    return Weighting(name, made, by_order | options)


def _parts(text: str) -> tuple[str, list[object], dict[str, object]]:
    """Name, arguments in order and arguments by name; nothing of *text* is ever run."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        asked = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        arguments = [ast.literal_eval(each) for each in asked.args]
        options = {each.arg or "**": ast.literal_eval(each.value) for each in asked.keywords}
        if isinstance(asked.func, ast.Name) and len(options) == len(asked.keywords):
            return asked.func.id, arguments, options
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        pass
    raise ConfigurationError(
        f"{text[:80]!r} is no acceptance criterion.",
        expected="a name and numbers, such as logistic(alpha=10, delta=0.7)",
    )


def seeded_uniform(seed: int, index: int) -> float:
    """U in [0, 1) as a pure function of the run's seed and the step's index."""
    return derive_seed(seed, "accept", index) / 2**63


def derive_seed(seed: int, purpose: str, index: int) -> int:
    """A 63-bit seed of its own for each (run, purpose, step): no two draws are correlated."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def accepted_run(
    rewards: Sequence[float | None],
    accept: Criterion | Sequence[Criterion],
    *,
    seed: int,
    first_index: int,
    uniform: Uniform = seeded_uniform,
) -> int:
    """How many drafted steps, from the first on, are accepted before one is rejected.

    Args:
        rewards: One per candidate; `None` (never scored) is always rejected.
        accept: The criterion omega, or one for each reward.
        seed: Seed of the run.
        first_index: Index in the answer of the first candidate.
        uniform: Source of u; injected by tests and replays.

    Raises:
        ConfigurationError: omega returned something that is not a probability.
    """
    for offset, reward in enumerate(rewards):
        omega = accept if callable(accept) else accept[offset]
        # Algorithm 2: accept iff u < omega(r), u ~ U[0, 1). So omega = 1 always and 0 never does.
        if reward is None or not uniform(seed, first_index + offset) < _weight(omega, reward):
            return offset
    return len(rewards)


def check_criterion(accept: Criterion, reward_range: tuple[float, float]) -> None:
    """Refuse a criterion that cannot be asked about the rewards this PRM declares.

    Raises:
        ConfigurationError: It is no function of a reward; or a threshold that is always reached, or
            never.
    """
    _require_callable(accept)
    delta = accept.parameters.get("delta") if isinstance(accept, Weighting) else None
    low, high = reward_range
    if delta is not None and not low <= delta <= high:
        raise ConfigurationError(
            f"delta={delta} is outside the PRM's reward range [{low}, {high}].",
            role="prm",
            expected=f"{low} <= delta <= {high}",
            hint="Rewards are not portable between PRMs: choose delta on this PRM's own scale.",
        )


def _require_callable(accept: Criterion) -> None:
    what = f"the acceptance criterion {_named(accept)}"
    check_call(accept, 1, what, _EXAMPLE)
    _require(not inspect.iscoroutinefunction(accept), f"{what} is async.", _EXAMPLE)


def _weight(accept: Criterion, reward: float) -> float:
    what = f"the acceptance criterion {_named(accept)}"
    try:
        said: object = accept(reward)
        weight = float(said) if isinstance(said, float | SupportsFloat) else math.nan
    except RSDError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"{what} failed for reward {reward}: {type(error).__name__}: {error}.",
            expected=_EXAMPLE,
        ) from error
    returned = f"{what} returned {said!r} for reward {reward}, which is not a probability."
    _require(0 <= weight <= 1, returned, _EXAMPLE)
    return weight


def _named(accept: object) -> str:
    if isinstance(accept, Weighting):
        return str(accept)
    return getattr(accept, "__qualname__", None) or type(accept).__name__


_EXAMPLE = "a function of the reward, such as lambda reward: reward > 0.5"


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow at either end."""
    return math.exp(min(0.0, x)) / (1 + math.exp(-abs(x)))


def _require(condition: bool, message: str, expected: str | None = None) -> None:
    if not condition:
        raise ConfigurationError(message, expected=expected)
