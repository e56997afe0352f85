"""Arms by name, for the command line.

draft, target            one model alone
rsd, rsd:0.8             RSD with the run's delta, or with this one
constant:0.9  clipping  sigmoidal  logistic:10:0.7      RSD with another weighting function
random:0.2               RSD that sends this share of the steps to the target blindly
majority:16              the most frequent of 16 sampled drafts
best-of:16  best-of:16:last      the sampled draft the PRM likes best (by min, last, product
or mean of its steps' rewards)
process-best-of:8        at each step, the best of 8 sampled drafts
beam:4x4                 4 beams, each continued by 4 sampled drafts
oracle                   the better of both models' steps, by reward: no router does better
gsi:4  gsi:4:20:0.5      GSI: soft best-of-4 of steps with the tilted reward (n, beta, u)
specreason  specreason:7         RSD with the target as its own judge, by digits
served:vllm+http://...   one more endpoint alone, such as the target with speculative decoding
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import get_args

from rsd_graph.acceptance import clipping, constant, logistic, reward_threshold, sigmoidal
from rsd_graph.chat_models.naming import public
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.arms.adaptive import DifficultyAware, RewardRank
from rsd_graph.lab.arms.arm import (
    Aggregation,
    Arm,
    Extract,
    Stack,
    alone,
    best_of_n,
    majority,
    random_mixing,
    rsd,
)
from rsd_graph.lab.arms.beam import beam_search
from rsd_graph.lab.arms.gsi import Guidance, guided
from rsd_graph.lab.arms.oracle import advantage_oracle
from rsd_graph.lab.arms.specreason import specreason
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.registry import step_model

USUAL = ("draft", "target", "rsd")
"""What is compared unless the user says otherwise."""

PAPER_SAMPLING = Sampling(temperature=0.7, top_p=0.8)
"""How arms that need several different answers draw them (the paper's setting)."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What arms are made from.

    Attributes:
        stack: The three models.
        extract: What an answer boils down to, for votes.
        delta: The run's own.
        sampling: For arms that sample.
    """

    stack: Stack
    extract: Extract
    delta: float = 0.7
    sampling: Sampling = PAPER_SAMPLING


def named_arm(name: str, kit: Kit) -> Arm:
    """The arm of this name.

    Raises:
        ConfigurationError: No such arm, or its numbers are not what it needs.
    """
    kind, *numbers = _split(name)
    if kind not in _ARMS:
        raise ConfigurationError(
            f"there is no arm {name!r}.", expected=f"one of {', '.join(_ARMS)}, as in rsd:0.8"
        )
    try:
        return _ARMS[kind](kit, *numbers)
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            f"the arm {name!r} cannot be read.", expected="numbers as in rsd:0.8, beam:4x4"
        ) from error


def _split(name: str) -> list[str]:
    """The kind of arm, and what follows it; an endpoint stays whole."""
    kind, _, endpoint = name.partition(":")
    return [kind, endpoint] if kind == "served" else re.split(r":|(?<=\d)x(?=\d)", name)


def _rsd(kit: Kit, delta: str | None = None) -> Arm:
    chosen = kit.delta if delta is None else float(delta)
    return rsd(kit.stack, reward_threshold(chosen))


def _logistic(kit: Kit, alpha: str, delta: str) -> Arm:
    return rsd(kit.stack, logistic(float(alpha), float(delta)))


def _share(kit: Kit, gamma: str) -> Arm:
    ranked = replace(kit.stack, prm=RewardRank(kit.stack.prm, kit.delta))
    arm = rsd(ranked, reward_threshold(float(gamma)))
    return replace(arm, name=f"RSD adaptive, target share {float(gamma):.1%}", delta=None)


def _difficulty(kit: Kit, usual: str, strength: str) -> Arm:
    aware = DifficultyAware(kit.stack.prm, float(usual), float(strength))
    arm = rsd(replace(kit.stack, prm=aware), reward_threshold(kit.delta))
    return replace(arm, name=f"RSD adaptive, difficulty {usual}/{strength}", delta=None)


def _majority(kit: Kit, count: str) -> Arm:
    return majority(kit.stack, _positive(count), kit.sampling, kit.extract)


def _best_of(kit: Kit, count: str, by: str = "min") -> Arm:
    for aggregation in get_args(Aggregation):
        if by == aggregation:
            return best_of_n(kit.stack, _positive(count), kit.sampling, aggregation)
    raise ValueError(by)


def _process_best_of(kit: Kit, count: str) -> Arm:
    arm = beam_search(kit.stack, 1, _positive(count), kit.sampling)
    return replace(arm, name=f"process best-of-{count}")


def _beam(kit: Kit, width: str, branching: str) -> Arm:
    return beam_search(kit.stack, _positive(width), _positive(branching), kit.sampling)


def _gsi(kit: Kit, count: str, beta: str = "20", threshold: str = "0.5") -> Arm:
    # the authors sample at top_p 1: the tilt compares the models' whole distributions
    untruncated = replace(kit.sampling, top_p=1.0)
    guidance = Guidance(_positive(count), float(beta), float(threshold))
    return guided(replace(kit.stack, sampling=untruncated), guidance)


def _served(kit: Kit, endpoint: str) -> Arm:
    """Any endpoint in the target's seat, alone."""
    arm = alone(replace(kit.stack, target=step_model(endpoint, "target")), "target")
    return replace(arm, name=f"served {public(endpoint)}")


def _positive(number: str) -> int:
    count = int(number)
    if count < 1:
        raise ValueError(number)
    return count


_ARMS: Mapping[str, Callable[..., Arm]] = MappingProxyType(
    {
        "draft": lambda kit: alone(kit.stack, "draft"),
        "target": lambda kit: alone(kit.stack, "target"),
        "rsd": _rsd,
        "constant": lambda kit, p: rsd(kit.stack, constant(float(p))),
        "clipping": lambda kit: rsd(kit.stack, clipping()),
        "sigmoidal": lambda kit: rsd(kit.stack, sigmoidal()),
        "logistic": _logistic,
        "random": lambda kit, share: random_mixing(kit.stack, float(share)),
        "share": _share,
        "difficulty": _difficulty,
        "majority": _majority,
        "best-of": _best_of,
        "process-best-of": _process_best_of,
        "beam": _beam,
        "oracle": lambda kit: advantage_oracle(kit.stack),
        "gsi": _gsi,
        "specreason": lambda kit, threshold="7": specreason(kit.stack, float(threshold)),
        "served": _served,
    }
)
