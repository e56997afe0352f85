"""Choosing delta from your own prompts: one pass, every delta answered offline, a held-out check.

Proposition 2.3 of the paper: under a budget that lets the target write a share gamma of the steps,
the best delta is the gamma-quantile of the draft's rewards. Rewards are taken on the draft's own
continuations, which is where RSD starts from; once the target has rewritten a step, the draft
continues better text, so the share met in use is usually below the one promised here.

With gold answers the target can be asked, too, and delta be chosen by accuracy or by value; see
`objectives` for what is chosen and `offline` for what is assumed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rsd_graph.lab.arms.arm import Stack
from rsd_graph.lab.calibration.check import HeldOut, run_held_out
from rsd_graph.lab.calibration.objectives import Choice, Objective, choose
from rsd_graph.lab.calibration.one_pass import IsRight, Sample, collect
from rsd_graph.lab.calibration.reliability import (
    calibration_bins,
    expected_calibration_error,
    fit_isotonic,
)
from rsd_graph.lab.calibration.sweep import Accounting, accuracy, alone, sweep
from rsd_graph.stacks.calibrated import FORMAT, model_identity


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
    check: HeldOut | None
    sample: Sample


async def calibrate(
    stack: Stack,
    prompts: Sequence[str],
    plan: Plan,
    *,
    is_right: IsRight | None = None,
    check_on: Stack | None = None,
) -> Calibration:
    """Choose delta on 70 % of the prompts, and see what it does on the rest.

    Args:
        stack: The models for the pass.
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
    objective, accounting = plan.objective, plan.accounting
    objective.check(accounting, is_labelled=is_right is not None)
    sample = await collect(
        stack,
        prompts,
        concurrency=plan.concurrency,
        is_right=is_right,
        ask_target=plan.ask_target or objective.asks_target,
    )
    chosen_on, other = sample.split()
    choice = choose(chosen_on, objective, accounting)
    check = None
    if check_on:
        check = await run_held_out(
            check_on,
            other,
            choice.delta,
            accounting,
            concurrency=plan.concurrency,
            is_right=is_right,
        )
    return Calibration(plan, choice, other.share_below(choice.delta), check, sample)


def reliability(sample: Sample) -> dict[str, Any] | None:
    """How far an answer's lowest reward is the probability that it is right; `None` without golds.

    The bins of a reliability diagram, the expected calibration error, and the isotonic map from
    lowest reward to probability. For PRMs with rewards in [0, 1]; answers with a step that could
    not be scored are left out.
    """
    pairs = [
        (min(scored), bool(trial.right))
        for trial in sample.trials
        if (scored := [reward for reward in trial.rewards if reward is not None])
        and len(scored) == len(trial.rewards)
    ]
    if not pairs or not sample.is_labelled or not all(0 <= lowest <= 1 for lowest, _ in pairs):
        return None
    lowest, right = zip(*pairs, strict=True)
    bins = calibration_bins(lowest, right)
    return {
        "bins": [asdict(entry) for entry in bins],
        "expected_calibration_error": expected_calibration_error(bins),
        "isotonic": asdict(fit_isotonic(lowest, right)),
    }


def target_alone(sample: Sample, accounting: Accounting) -> dict[str, Any] | None:
    """What the target's own answers are worth and cost, per question, if it was asked."""
    answers = [answer for trial in sample.trials if (answer := alone(trial))]
    if not answers:
        return None
    right = accuracy(answers)
    return {
        "accuracy": asdict(right) if right else None,
        "cost": fmean(accounting.cost(answer.ledger) for answer in answers),
        "seconds": fmean(answer.seconds for answer in answers),
    }


def write_calibration(
    path: str | Path, found: Calibration, seats: Mapping[str, object]
) -> dict[str, Any]:
    """Write the file that `ChatRSD(delta="….json")` reads, bound to the PRM in *seats*.

    Args:
        path: The file.
        found: What it says.
        seats: Endpoint strings or objects of the three models.
    """
    accounting, sample, choice = found.plan.accounting, found.sample, found.choice
    content: dict[str, Any] = {
        "format": FORMAT,
        "delta": choice.delta,
        **{role: model_identity(spec) for role, spec in seats.items()},
        "objective": asdict(found.plan.objective),
        "estimate": asdict(choice.estimate),
        "accuracy_bound": choice.accuracy_bound,
        "choice": asdict(choice.bound) if choice.bound else None,
        "held_out_target_share": found.held_out_target_share,
        "check": asdict(found.check) if found.check else None,
        "prompts": len(sample.trials),
        "cost_unit": accounting.unit,
        "target_alone": target_alone(sample, accounting),
        "sweep": [asdict(point) for point in sweep(sample, accounting)],
        "reliability": reliability(sample),
    }
    Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content
