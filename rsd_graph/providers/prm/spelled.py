"""Verdicts without a server of their own, and verdicts made of others, as endpoint strings.

    free:lowest                                             a free verdict: mean, lowest or first
    learned:verdicts.json                                   one learned by `rsd-graph calibrate`
    learned:verdicts.json,embedded:prm                      one that was learned beside this PRM
    cascade:learned:verdicts.json,embedded:prm              before a PRM; unsure where the file says
    cascade:0.2,0.9,free:lowest,qwen-prm+vllm+http://...    unsure where you say
    capped:0.2,qwen-prm+vllm+http://...                     the target writes a fifth of the steps
    so-far:min,qwen-prm+vllm+http://...                     over all steps: min, product, mean
    agree:4,vllm+http://...                                 four more drafts of each step vote
    by-phase:free:lowest,qwen-prm+vllm+http://...           of what is thought, of what is answered

What stands first in a cascade or a by-phase holds no comma; the last may be made of others itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from rsd_graph.errors import ConfigurationError
from rsd_graph.plugins import unknown
from rsd_graph.providers.base import RewardModel, StepModel
from rsd_graph.providers.prm.agreement import Agreement
from rsd_graph.providers.prm.by_phase import ByPhase
from rsd_graph.providers.prm.capped import Capped
from rsd_graph.providers.prm.cascade import Cascade
from rsd_graph.providers.prm.combine import AGGREGATIONS, Aggregated, Aggregation
from rsd_graph.providers.prm.confidence import DraftConfidence
from rsd_graph.providers.prm.features import FirstTokenCertainty, LeastLikelyToken
from rsd_graph.providers.prm.learned import Learned

_FREE: Mapping[str, Callable[[], RewardModel]] = MappingProxyType(
    {"first": FirstTokenCertainty, "lowest": LeastLikelyToken, "mean": DraftConfidence}
)
FREE = (DraftConfidence, FirstTokenCertainty, LeastLikelyToken, Learned)
"""Scorers that read the draft's log-probabilities and ask no model themselves."""

_LEARNED = re.compile(r"learned:(?P<file>[^,]+)(?:,(?P<prm>.+))?")
_CASCADE = re.compile(
    r"cascade:(?:(?P<low>[^,:]+),(?P<high>[^,:]+),)?(?P<first>[^,]+),(?P<then>.+)"
)
_PHASES = re.compile(r"by-phase:(?P<thinking>[^,]+),(?P<answer>.+)")
_AROUND = re.compile(r"(?P<kind>capped|so-far|agree):(?P<how>[^,:]+),(?P<model>.+)")
_EXPECTED = {
    "learned": "learned:FILE",
    "cascade": "cascade:FIRST,THEN or cascade:LOW,HIGH,FIRST,THEN",
    "capped": "a share of the steps and a PRM, such as capped:0.2,PRM",
    "so-far": f"{', '.join(AGGREGATIONS)} and a PRM, such as so-far:min,PRM",
    "by-phase": "two verdicts, such as by-phase:free:lowest,PRM",
    "agree": "how many drafts and which model, such as agree:4,DRAFT",
}


def spelled(
    spec: str, make: Callable[[str], RewardModel], write: Callable[[str], StepModel]
) -> RewardModel | None:
    """The verdict that *spec* spells; `None` if it names a model at an endpoint.

    Args:
        spec: See the module.
        make: Makes a PRM of an endpoint string inside it.
        write: Makes a draft of one.

    Raises:
        ConfigurationError: It begins like one and goes on wrong.
    """
    kind, _, rest = spec.partition(":")
    if kind == "free":
        if rest not in _FREE:
            raise unknown(f"free verdict {rest!r}", rest, _FREE)
        return _FREE[rest]()
    if found := _LEARNED.fullmatch(spec):
        return _learned(found["file"], found["prm"], make)
    if found := _CASCADE.fullmatch(spec):
        unsure = None if found["low"] is None else _numbers(found["low"], found["high"])
        return Cascade(make(found["first"]), make(found["then"]), unsure)
    if found := _PHASES.fullmatch(spec):
        return ByPhase(make(found["thinking"]), make(found["answer"]))
    if found := _AROUND.fullmatch(spec):
        return _around(found["how"], found["model"], kind, make, write)
    if kind in _EXPECTED:
        raise ConfigurationError(f"this is no {kind}.", expected=_EXPECTED[kind])
    return None


def rewritten(
    spec: str, model: Callable[[str], str], file: Callable[[str], str] = lambda name: name
) -> str:
    """*spec* with every endpoint string in it changed by *model*, and every file's name by *file*.

    One that names a single model is changed itself.
    """
    if found := _LEARNED.fullmatch(spec):
        prm = "," + rewritten(found["prm"], model, file) if found["prm"] else ""
        return f"learned:{file(found['file'])}{prm}"
    if found := _CASCADE.fullmatch(spec):
        unsure = "" if found["low"] is None else f"{found['low']},{found['high']},"
        members = (rewritten(found[name], model, file) for name in ("first", "then"))
        return f"cascade:{unsure}{','.join(members)}"
    if found := _PHASES.fullmatch(spec):
        members = (rewritten(found[name], model, file) for name in ("thinking", "answer"))
        return f"by-phase:{','.join(members)}"
    if found := _AROUND.fullmatch(spec):
        return f"{found['kind']}:{found['how']},{rewritten(found['model'], model, file)}"
    return model(spec)


def parts_of(prm: RewardModel) -> Iterator[RewardModel]:
    """The scorers that *prm* is made of; itself, if it is made of no others."""
    members = getattr(prm, "members", ())
    if not members or isinstance(prm, FREE):
        yield prm
    for member in members:
        yield from parts_of(member)


def _learned(file: str, prm: str | None, make: Callable[[str], RewardModel]) -> Learned:
    verdict = Learned.load(file, make(prm) if prm else None)
    if prm:
        verdict.check("prm", prm)
    return verdict


def _around(
    how: str,
    model: str,
    kind: str,
    make: Callable[[str], RewardModel],
    write: Callable[[str], StepModel],
) -> RewardModel:
    """A verdict around one model."""
    if kind == "so-far":
        return Aggregated(make(model), cast("Aggregation", how))
    try:
        number = float(how) if kind == "capped" else int(how)
    except ValueError:
        raise ConfigurationError(f"{how!r} is no number.", expected=_EXPECTED[kind]) from None
    if kind == "capped":
        return Capped(make(model), number)
    return Agreement(write(model), int(number))


def _numbers(low: str, high: str) -> tuple[float, float]:
    try:
        return float(low), float(high)
    except ValueError:
        raise ConfigurationError(
            f"a cascade cannot be unsure from {low!r} to {high!r}.",
            expected="two rewards, such as cascade:0.2,0.9,FIRST,THEN",
        ) from None
