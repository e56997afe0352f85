"""RSD itself at the chosen delta, on prompts the choice has not seen: is the estimate any good?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rsd_graph.acceptance import reward_threshold
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.calibration.one_pass import Answered, IsRight, Sample, answered, in_sequence
from rsd_graph.lab.calibration.sweep import accuracy, expected
from rsd_graph.lab.concurrency import at_most
from rsd_graph.lab.setup import Setup
from rsd_graph.lab.statistics import (
    Estimate,
    PairedDifference,
    bootstrap_interval,
    bootstrap_ratio,
    compare_paired,
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One number on the same prompts, as the pass estimates it and as RSD really did."""

    estimated: Estimate
    measured: Estimate


@dataclass(frozen=True, slots=True)
class Check:
    """Estimates against measurements, per question, with 95 % intervals.

    Attributes:
        prompts: How many RSD was run on.
        target_share: Share of the steps the target wrote.
        target_tokens: Tokens it wrote.
        cost: In the unit of the accounting; `None` if the pass could not estimate it.
        seconds: Waiting for the three models in turn; likewise.
        accuracy: Share of the answers that are right; likewise.
        accuracy_difference: Measured minus estimated, on the same questions.
    """

    prompts: int
    target_share: Compared
    target_tokens: Compared
    cost: Compared | None
    seconds: Compared | None
    accuracy: Compared | None
    accuracy_difference: PairedDifference | None


async def check(
    setup: Setup,
    sample: Sample,
    delta: float,
    accounting: Accounting,
    *,
    concurrency: int = 8,
    is_right: IsRight | None = None,
) -> Check:
    """Run RSD at *delta* on the sample's prompts and set it against the sample's estimate."""
    solve = partial(answered, rsd(in_sequence(setup), reward_threshold(delta)), is_right=is_right)
    measured = await at_most(concurrency, solve, [trial.prompt for trial in sample.trials])
    estimated = [expected(trial, delta) for trial in sample.trials]

    def per_question(value: Callable[[Answered], float]) -> Compared:
        return Compared(
            bootstrap_interval([value(answer) for answer in estimated]),
            bootstrap_interval([value(answer) for answer in measured]),
        )

    knows, accuracies = sample.knows_target, _accuracies(estimated, measured)
    return Check(
        prompts=len(measured),
        target_share=Compared(_share(estimated), _share(measured)),
        target_tokens=per_question(lambda answer: answer.ledger["target"]["completion_tokens"]),
        cost=per_question(lambda answer: accounting.cost(answer.ledger)) if knows else None,
        seconds=per_question(lambda answer: answer.seconds) if knows else None,
        accuracy=accuracies,
        accuracy_difference=_difference(estimated, measured) if accuracies else None,
    )


def _share(answers: Sequence[Answered]) -> Estimate:
    """The target's share of the steps; steps of one answer go together."""
    rewritten = [float(answer.ledger["target_steps"]) for answer in answers]
    return bootstrap_ratio(rewritten, [answer.steps for answer in answers])


def _accuracies(estimated: Sequence[Answered], measured: Sequence[Answered]) -> Compared | None:
    first, second = accuracy(estimated), accuracy(measured)
    return Compared(first, second) if first and second else None


def _difference(estimated: Sequence[Answered], measured: Sequence[Answered]) -> PairedDifference:
    return compare_paired(
        [bool(answer.right) for answer in measured], [bool(answer.right) for answer in estimated]
    )
