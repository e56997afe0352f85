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
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rsd_graph.errors import ConfigurationError

Criterion = Callable[[float], float]
"""omega: reward of a draft step -> probability of accepting it (a `bool` counts as 0 or 1)."""

Uniform = Callable[[int, int], float]
"""(seed of the run, index of the step) -> u in [0, 1); a pure function, so that runs replay."""


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
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.parameters.items())})"


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
    _require(alpha > 0, f"logistic(alpha) needs alpha > 0, got {alpha}")
    parameters = {"alpha": alpha, "delta": delta}
    return Weighting("logistic", lambda reward: _sigmoid(alpha * (reward - delta)), parameters)


def likelihood_ratio(alpha: float = 1.0) -> Weighting:
    """min(1, alpha P_M / P_m), for the log-ratio rewards of `LikelihoodRatio` (rebuttal)."""
    _require(alpha > 0, f"likelihood_ratio(alpha) needs alpha > 0, got {alpha}")
    shift = math.log(alpha)
    omega: Criterion = lambda log_ratio: math.exp(min(0.0, shift + log_ratio))  # noqa: E731
    return Weighting("likelihood_ratio", omega, {"alpha": alpha})


def hybrid(beta: float = 1.0) -> Weighting:
    """min(1, beta r P_M / P_m), for the weighted rewards of `HybridRatio` (rebuttal)."""
    _require(beta > 0, f"hybrid(beta) needs beta > 0, got {beta}")
    return Weighting("hybrid", lambda value: min(1.0, max(0.0, beta * value)), {"beta": beta})


def criterion(text: str) -> Weighting:
    """The weighting function *text* names, such as `logistic(alpha=10, delta=0.7)`.

    Raises:
        ConfigurationError: There is no such function, or not with these parameters.
    """
    given = (constant, reward_threshold, clipping, sigmoidal, logistic, likelihood_ratio, hybrid)
    makers: dict[str, Callable[..., Weighting]] = {make.__name__: make for make in given}
    match = re.fullmatch(r"(\w+)\((.*)\)", text.strip())
    _require(match is not None and match[1] in makers, f"{text!r} is no criterion.")
    assert match is not None
    try:
        pairs = (pair.split("=") for pair in match[2].split(",") if pair.strip())
        return makers[match[1]](**{name.strip(): float(value) for name, value in pairs})
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{text!r} is no criterion: {error}.") from error


def seeded_uniform(seed: int, index: int) -> float:
    """U in [0, 1) as a pure function of the run's seed and the step's index."""
    return derive_seed(seed, "accept", index) / 2**63


def derive_seed(seed: int, purpose: str, index: int) -> int:
    """A 63-bit seed of its own for each (run, purpose, step): no two draws are correlated."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def accepted_run(
    rewards: Sequence[float | None],
    accept: Criterion,
    *,
    seed: int,
    first_index: int,
    uniform: Uniform = seeded_uniform,
) -> int:
    """How many drafted steps, from the first on, are accepted before one is rejected.

    Args:
        rewards: One per candidate; `None` (never scored) is always rejected.
        accept: The criterion omega.
        seed: Seed of the run.
        first_index: Index in the answer of the first candidate.
        uniform: Source of u; injected by tests and replays.

    Raises:
        ConfigurationError: omega returned something that is not a probability.
    """
    for offset, reward in enumerate(rewards):
        # Algorithm 2: accept iff u < omega(r), u ~ U[0, 1). So omega = 1 always and 0 never does.
        if reward is None or not uniform(seed, first_index + offset) < _weight(accept, reward):
            return offset
    return len(rewards)


def check_delta(accept: Criterion, reward_range: tuple[float, float]) -> None:
    """Refuse a threshold outside the range of rewards this PRM declares.

    Raises:
        ConfigurationError: delta can never, or always, be reached.
    """
    delta = accept.parameters.get("delta") if isinstance(accept, Weighting) else None
    low, high = reward_range
    if delta is not None and not low <= delta <= high:
        raise ConfigurationError(
            f"delta={delta} is outside the PRM's reward range [{low}, {high}].",
            role="prm",
            expected=f"{low} <= delta <= {high}",
            hint="Rewards are not portable between PRMs: choose delta on this PRM's own scale.",
        )


def _weight(accept: Criterion, reward: float) -> float:
    weight = float(accept(reward))
    _require(
        0 <= weight <= 1,
        f"The acceptance criterion returned {weight} for reward {reward}, "
        "which is not a probability.",
    )
    return weight


def _sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow at either end."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigurationError(message)
