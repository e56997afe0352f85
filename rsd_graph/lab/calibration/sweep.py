"""Every delta answered from one pass: what RSD would do, estimated without running it.

What is exact: which of the draft's own steps a delta sends to the target. What is assumed:

* a question with no such step ends like the draft's answer, any other like the target's own;
* the target writes its share of its own answer: as much of it as the draft's rewritten steps have
  of the draft's;
* steps are decided one after the other, and the draft's later steps are those it wrote after its
  own.

`check` runs RSD and shows how far this holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean

from rsd_graph.answer.ledger import Usage, add, add_usage, empty_ledger, usage
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.calibration.one_pass import Answered, Sample, Trial
from rsd_graph.lab.statistics import Estimate, wilson_interval


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """What one delta would do on the sample, per question.

    Attributes:
        delta: The threshold.
        target_share: Share of draft steps below it: what the target would write.
        target_tokens: Tokens the target would write: of its own answer if it was asked, else those
            of the draft's steps.
        draft_alone: Share of questions without such a step.
        draft_alone_accuracy: How many of those the draft answers rightly; `None` without golds.
        accuracy: Share of all questions estimated right, with its Wilson interval; `None` without
            golds, or if the target was not asked.
        cost: In the unit of the accounting; `None` if it needs the target, who was not asked.
        seconds: Waiting for draft, PRM and target in turn, as measured under the load of the pass;
            likewise.
    """

    delta: float
    target_share: float
    target_tokens: float
    draft_alone: float
    draft_alone_accuracy: float | None
    accuracy: Estimate | None = None
    cost: float | None = None
    seconds: float | None = None


def sweep(sample: Sample, accounting: Accounting, points: int = 21) -> list[SweepPoint]:
    """The whole range of deltas: at each of *points* quantiles of the rewards."""
    ordered = sorted(sample.scored)
    picks = sorted({ordered[i * (len(ordered) - 1) // (points - 1)] for i in range(points)})
    return [point(sample, delta, accounting) for delta in picks]


def point(sample: Sample, delta: float, accounting: Accounting) -> SweepPoint:
    """What *delta* would do on the sample."""
    answers = [expected(trial, delta) for trial in sample.trials]
    alone = [trial.right for trial in sample.trials if not any(trial.below(delta))]
    judged = [right for right in alone if right is not None]
    is_priced = sample.knows_target or accounting.unit == "target tokens"
    return SweepPoint(
        delta,
        sample.share_below(delta),
        fmean(answer.ledger["target"]["completion_tokens"] for answer in answers),
        len(alone) / len(answers),
        fmean(judged) if judged else None,
        accuracy(answers),
        fmean(accounting.cost(answer.ledger) for answer in answers) if is_priced else None,
        fmean(answer.seconds for answer in answers) if sample.knows_target else None,
    )


def accuracy(answers: Sequence[Answered]) -> Estimate | None:
    """Share of the answers that are right; `None` unless all were judged."""
    right = [answer.right for answer in answers if answer.right is not None]
    return wilson_interval(sum(right), len(right)) if len(right) == len(answers) else None


def expected(trial: Trial, delta: float) -> Answered:
    """What RSD would make of one prompt at *delta*, as far as the pass can tell."""
    below = trial.below(delta)
    if trial.target:
        right = trial.target.right if any(below) else trial.right
        spent = _own_share(trial.target.ledger["target"], trial.tokens, below)
    else:
        right = None if any(below) else trial.right
        written = sum(n for n, is_below in zip(trial.tokens, below, strict=True) if is_below)
        spent = usage(calls=sum(below), completion_tokens=written)
    ledger = add(
        empty_ledger(),
        {
            "draft": trial.ledger["draft"],
            "prm": trial.ledger["prm"],
            "target": spent,
            "scored_steps": trial.ledger["scored_steps"],
            "accepted_steps": below.count(False),
            "target_steps": below.count(True),
        },
    )
    return Answered(right, ledger)


def _own_share(own: Usage, tokens: Sequence[int], below: Sequence[bool]) -> Usage:
    """What the target spends on the steps *below* delta, one request for each.

    A request reads the question and the answer so far. If the server reports its cache, what it
    had read or written for the request before counts as cached.
    """
    written = own["completion_tokens"]
    ends = [0.0, *accumulate(_shares(tokens))]
    reports_cache = not own["cache_unreported_calls"]
    spent: list[Usage] = []
    cached = 0 if reports_cache else None
    for index in (index for index, is_below in enumerate(below) if is_below):
        start, end = ends[index], ends[index + 1]
        spent.append(
            usage(
                prompt_tokens=own["prompt_tokens"] + round(start * written),
                cached_tokens=cached,
                completion_tokens=round((end - start) * written),
                ms=(end - start) * own["ms"],
            )
        )
        cached = own["prompt_tokens"] + round(end * written) if reports_cache else None
    return add_usage(*spent)


def _shares(tokens: Sequence[int]) -> list[float]:
    """Each step's share of the answer's tokens."""
    total = sum(tokens)
    return [count / total if total else 1 / len(tokens) for count in tokens]
