"""Arms by name, for the command line.

draft, target            one model alone
rsd, rsd:0.8             RSD with the run's own criterion, or with this delta
constant:0.9  clipping  sigmoidal  logistic:10:0.7      RSD with another weighting function
random:0.2               RSD that sends this share of the steps to the target blindly
share:0.1                RSD with a delta that follows the rewards it meets, to keep this share
difficulty:0.9:0.5       RSD with a delta that rises on hard questions (usual reward, strength)
majority:16              the most frequent of 16 sampled drafts
best-of:16  best-of:16:last      the sampled draft the PRM likes best (by min, last, product
or mean of its steps' rewards)
process-best-of:8        at each step, the best of 8 sampled drafts
beam:4x4                 4 beams, each continued by 4 sampled drafts
oracle                   the better of both models' steps, by reward: no router does better
gsi:4  gsi:4:20:0.5      GSI: soft best-of-4 of steps with the tilted reward (n, beta, u)
specreason  specreason:7         RSD with the target as its own judge, by digits
glimprouter:1.0                  the target writes where the first token's entropy is that high
confspec:3:7  confspec:3:7:5:judge      the draft judges itself, the target where it is unsure
                                 (low, high, delta, family of the judge)
specguard:4  specguard:4:0.5     RSD where this share of 4 more drafts must agree
verdict:0.5:free:lowest          RSD with this delta and another scorer, as an endpoint string;
                                 `prm`, `draft` and `target` in it are the run's:
                                 verdict:0.7:cascade:learned:v.json,prm  verdict:0.5:doubt+target
                                 verdict:0.7:capped:0.2,prm  verdict:0.7:so-far:min,prm
phases:0.5:0.7:by-phase:free:lowest,prm      the same with a delta for what is thought and one for
                                 what is answered
served:vllm+http://...   one more endpoint alone, such as the target with speculative decoding
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from types import MappingProxyType

from pydantic import TypeAdapter

from rsd_graph.acceptance import clipping, constant, logistic, reward_threshold, sigmoidal
from rsd_graph.chat_models.naming import public
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.arms.adaptive import DifficultyAware, RewardRank
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.arms.beam import beam_search
from rsd_graph.lab.arms.gsi import Guidance, guided
from rsd_graph.lab.arms.oracle import advantage_oracle
from rsd_graph.lab.arms.rsd import random_mixing, rsd
from rsd_graph.lab.arms.sampled import best_of_n, majority
from rsd_graph.lab.arms.specreason import specreason
from rsd_graph.lab.arms.verdict import by_phase_verdict, verdict
from rsd_graph.lab.question import Extract
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.prm.combine import Aggregation
from rsd_graph.providers.registry import step_model

_Maker = Callable[..., Arm]
"""(setup, what follows the name) -> the arm."""

PAPER_SAMPLING = Sampling(temperature=0.7, top_p=0.8)
"""How arms that need several different answers draw them (the paper's setting)."""


def named_arm(name: str, setup: Setup, extract: Extract) -> Arm:
    """The arm of this name.

    Args:
        name: The kind of arm, and its numbers.
        setup: The models, and how they are asked; its delta is that of arms that name none.
        extract: What an answer boils down to, for votes.

    Raises:
        ConfigurationError: No such arm, or its numbers are not what it needs.
    """
    kind, *numbers = _split(name)
    makers: dict[str, _Maker] = {**_ARMS, "majority": partial(_majority, extract)}
    if kind not in makers:
        raise ConfigurationError(
            f"there is no arm {name!r}.", expected=f"one of {', '.join(makers)}, as in rsd:0.8"
        )
    try:
        return makers[kind](setup, *numbers)
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            f"the arm {name!r} cannot be read.", expected="numbers as in rsd:0.8, beam:4x4"
        ) from error


def _split(name: str) -> list[str]:
    """The kind of arm, and what follows it; an endpoint stays whole."""
    kind, _, rest = name.partition(":")
    if kind == "served":
        return [kind, rest]
    if kind in ("verdict", "phases"):
        return [kind, *rest.split(":", 1 if kind == "verdict" else 2)]
    return re.split(r":|(?<=\d)x(?=\d)", name)


def _sampling(setup: Setup) -> Setup:
    """The same, drawing as the paper does where answers must differ."""
    return setup.with_options(**asdict(PAPER_SAMPLING))


def _rsd(setup: Setup, delta: str | None = None) -> Arm:
    return rsd(setup, setup.criterion if delta is None else reward_threshold(float(delta)))


def _share(setup: Setup, gamma: str) -> Arm:
    ranked = setup.with_models(prm=RewardRank(setup.models.prm, setup.delta))
    arm = rsd(ranked, reward_threshold(float(gamma)))
    return replace(arm, name=f"RSD adaptive, target share {float(gamma):.1%}", delta=None)


def _difficulty(setup: Setup, usual: str, strength: str) -> Arm:
    aware = DifficultyAware(setup.models.prm, float(usual), float(strength))
    arm = rsd(setup.with_models(prm=aware), reward_threshold(setup.delta))
    return replace(arm, name=f"RSD adaptive, difficulty {usual}/{strength}", delta=None)


def _majority(extract: Extract, setup: Setup, count: str) -> Arm:
    return majority(_sampling(setup), _positive(count), extract)


def _best_of(setup: Setup, count: str, by: str = "min") -> Arm:
    how: Aggregation = TypeAdapter(Aggregation).validate_python(by)
    return best_of_n(_sampling(setup), _positive(count), how)


def _process_best_of(setup: Setup, count: str) -> Arm:
    return replace(_beam(setup, "1", count), name=f"process best-of-{count}")


def _beam(setup: Setup, width: str, branching: str) -> Arm:
    return beam_search(_sampling(setup), _positive(width), _positive(branching))


def _gsi(setup: Setup, count: str, beta: str = "20", threshold: str = "0.5") -> Arm:
    # the authors sample at top_p 1: the tilt compares the models' whole distributions
    untruncated = _sampling(setup).with_options(top_p=1.0)
    return guided(untruncated, Guidance(_positive(count), float(beta), float(threshold)))


def _served(setup: Setup, endpoint: str) -> Arm:
    """Any endpoint in the target's seat, alone."""
    arm = alone(setup.with_models(target=step_model(endpoint, "target")), "target")
    return replace(arm, name=f"served {public(endpoint)}")


def _first_token(setup: Setup, entropy: str = "1.0") -> Arm:
    arm = verdict(setup, str(math.exp(-float(entropy))), "free:first")
    return replace(arm, name=f"GlimpRouter, entropy {float(entropy):g}", delta=None)


def _self_judged(
    setup: Setup, low: str, high: str, delta: str | None = None, family: str = "judge"
) -> Arm:
    at = high if delta is None else delta
    arm = verdict(setup, at, f"cascade:{low},{high},{family}+draft,{family}+target")
    return replace(arm, name=f"ConfSpec {low}/{high}, {at}, {family}", delta=None)


def _agreed(setup: Setup, count: str, delta: str = "0.5") -> Arm:
    arm = verdict(setup, delta, f"agree:{_positive(count)},draft")
    return replace(arm, name=f"self-consistency of {count} more drafts, {delta}", delta=None)


def _positive(number: str) -> int:
    count = int(number)
    if count < 1:
        raise ValueError(number)
    return count


_ARMS: Mapping[str, _Maker] = MappingProxyType(
    {
        "draft": lambda setup: alone(setup, "draft"),
        "target": lambda setup: alone(setup, "target"),
        "rsd": _rsd,
        "constant": lambda setup, p: rsd(setup, constant(float(p))),
        "clipping": lambda setup: rsd(setup, clipping()),
        "sigmoidal": lambda setup: rsd(setup, sigmoidal()),
        "logistic": lambda setup, alpha, delta: rsd(setup, logistic(float(alpha), float(delta))),
        "random": lambda setup, share: random_mixing(setup, float(share)),
        "share": _share,
        "difficulty": _difficulty,
        "best-of": _best_of,
        "process-best-of": _process_best_of,
        "beam": _beam,
        "oracle": advantage_oracle,
        "gsi": _gsi,
        "specreason": lambda setup, threshold="7": specreason(setup, float(threshold)),
        "glimprouter": _first_token,
        "confspec": _self_judged,
        "specguard": _agreed,
        "served": _served,
        "verdict": verdict,
        "phases": by_phase_verdict,
    }
)
