"""Choosing delta from your own prompts: one pass, every delta answered offline, a held-out check.

Proposition 2.3 of the paper: under a budget that lets the target write a share gamma of the steps,
the best delta is the gamma-quantile of the draft's rewards. Rewards are taken on the draft's own
continuations, which is where RSD starts from; once the target has rewritten a step, the draft
continues better text, so the share met in use is usually below the one promised here.

With gold answers the target can be asked, too, and delta be chosen by accuracy or by value; see
`objectives` for what is chosen and `sweep` for what is assumed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.calibration.check import Check, check
from rsd_graph.lab.calibration.objectives import Choice, Objective, choose
from rsd_graph.lab.calibration.one_pass import IsRight, Sample, collect
from rsd_graph.lab.calibration.reliability import Reliability, reliability
from rsd_graph.lab.calibration.sweep import SweepPoint, accuracy, sweep
from rsd_graph.lab.files import write_whole
from rsd_graph.lab.setup import Setup
from rsd_graph.lab.statistics import Estimate
from rsd_graph.lab.step_statistics import StepStatistics, step_statistics
from rsd_graph.providers.address import model_identity
from rsd_graph.stacks.calibrated import FORMAT


@dataclass(frozen=True, slots=True)
class Plan:
    """How to calibrate.

    Attributes:
        objective: What delta is chosen for.
        accounting: What costs are counted in.
        ask_target: Let the target answer every prompt once; other objectives than the target's
            share do so anyway.
        concurrency: Prompts at a time.
    """

    objective: Objective
    accounting: Accounting
    ask_target: bool = False
    concurrency: int = 8


@dataclass(frozen=True, slots=True)
class TargetAlone:
    """What the target's own answers are worth and cost, per question.

    `accuracy` is `None` without golds.
    """

    accuracy: Estimate | None
    cost: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A chosen delta and everything it rests on.

    Attributes:
        plan: How it was chosen.
        choice: The delta, and what it does on the prompts it was chosen on.
        held_out_target_share: Share of draft steps below it on the other prompts.
        check: RSD at this delta on those, if it was run.
        sample: All trials.
    """

    plan: Plan
    choice: Choice
    held_out_target_share: float
    check: Check | None
    sample: Sample

    @property
    def sweep(self) -> list[SweepPoint]:
        """What every delta would do on all prompts."""
        return sweep(self.sample, self.plan.accounting)

    @property
    def reliability(self) -> Reliability | None:
        """How far an answer's lowest reward is the probability that it is right; see there."""
        return reliability(self.sample)

    @property
    def steps(self) -> StepStatistics | None:
        """What the draft's answers are like, and how many of their steps delta rejects."""
        trials = self.sample.trials
        found = step_statistics(trial.ledger for trial in trials)
        below = [sum(trial.below(self.choice.delta)) for trial in trials]
        return replace(found, rejected=sum(below)) if found else None

    @property
    def target_alone(self) -> TargetAlone | None:
        """The target's own answers; `None` if it was not asked."""
        answers = [trial.target for trial in self.sample.trials if trial.target]
        if not answers:
            return None
        return TargetAlone(
            accuracy(answers),
            fmean(self.plan.accounting.cost(answer.ledger) for answer in answers),
            fmean(answer.seconds for answer in answers),
        )


async def calibrate(
    setup: Setup,
    prompts: Sequence[str],
    plan: Plan,
    *,
    is_right: IsRight | None = None,
    check_on: Setup | None = None,
) -> Calibration:
    """Choose delta on 70 % of the prompts, and see what it does on the rest.

    Args:
        setup: The models for the pass.
        prompts: The questions.
        plan: What delta is chosen for, and how.
        is_right: Judges (prompt, answer), where golds are known.
        check_on: The models for running RSD on the other prompts; `None` leaves that out. Servers
            of their own keep the pass out of their prefix caches.

    Raises:
        InputError: There is too little to choose from; the message says what it takes.
        ConfigurationError: The objective needs costs that nobody stated.
        ProviderError: An endpoint failed.
    """
    objective, accounting, concurrency = plan.objective, plan.accounting, plan.concurrency
    objective.check(accounting, is_labelled=is_right is not None)
    asks_target = plan.ask_target or objective.asks_target
    sample = await collect(
        setup, prompts, concurrency=concurrency, is_right=is_right, ask_target=asks_target
    )
    chosen_on, other = sample.split()
    choice = choose(chosen_on, objective, accounting)
    checked = None
    if check_on:
        checked = await check(
            check_on, other, choice.delta, accounting, concurrency=concurrency, is_right=is_right
        )
    return Calibration(plan, choice, other.share_below(choice.delta), checked, sample)


def write_calibration(
    path: str | Path, found: Calibration, endpoints: Mapping[str, object]
) -> dict[str, object]:
    """Write the file that `ChatRSD(delta="….json")` reads, bound to the PRM in *endpoints*.

    Args:
        path: The file.
        found: What it says.
        endpoints: Endpoint strings or objects of the models that were asked, by role.

    Raises:
        ConfigurationError: It cannot be written.
    """
    choice = found.choice
    content: dict[str, object] = {
        "format": FORMAT,
        "delta": choice.delta,
        **{role: model_identity(spec) for role, spec in endpoints.items()},
        "objective": asdict(found.plan.objective),
        "estimate": asdict(choice.estimate),
        "accuracy_bound": choice.accuracy_bound,
        "choice": asdict(choice.bound) if choice.bound else None,
        "held_out_target_share": found.held_out_target_share,
        "check": asdict(found.check) if found.check else None,
        "prompts": len(found.sample.trials),
        "steps": asdict(found.steps) if found.steps else None,
        "cost_unit": found.plan.accounting.unit,
        "target_alone": asdict(found.target_alone) if found.target_alone else None,
        "sweep": [asdict(point) for point in found.sweep],
        "reliability": asdict(found.reliability) if found.reliability else None,
    }
    write_whole(Path(path), json.dumps(content, indent=2) + "\n")
    return content
