"""Choosing delta from your own prompts: draft and PRM run once, every delta is answered offline.

Proposition 2.3 of the paper: under a budget that lets the target write a share gamma of the steps,
the best delta is the gamma-quantile of the draft's rewards. Rewards are taken on the draft's own
continuations, which is where RSD starts from; once the target has rewritten a step, the draft
continues better text, so the share met in use is usually below the one promised here.

With gold answers, the sweep also says how often the answers are right that the draft would give
alone, and how far an answer's lowest reward can be read as the probability that it is right.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rsd_graph.calibrated import FORMAT, model_identity
from rsd_graph.errors import InputError
from rsd_graph.evaluation.arms import Stack, alone, steps_of
from rsd_graph.evaluation.calibration_curve import (
    calibration_bins,
    expected_calibration_error,
    fit_isotonic,
)
from rsd_graph.evaluation.statistics import DeltaChoice, choose_delta
from rsd_graph.providers.base import Prefix, Scores, check_scores
from rsd_graph.state import Candidate

IsRight = Callable[[str, str], Awaitable[bool]]
"""(prompt, answer) -> whether the answer is right."""


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """What one delta would do on the sample.

    Attributes:
        delta: The threshold.
        target_share: Share of draft steps below it: what the target would write.
        target_tokens: Tokens per question in those steps, as the draft wrote them.
        draft_alone: Share of questions without such a step.
        draft_alone_accuracy: How many of those the draft answers rightly; `None` without golds.
    """

    delta: float
    target_share: float
    target_tokens: float
    draft_alone: float
    draft_alone_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """Rewards of the draft's steps, one list per prompt, and each step's share of the tokens.

    `right` says of each prompt whether the draft's answer was right; it is empty without golds.
    """

    rewards: Sequence[Sequence[float]]
    tokens: Sequence[Sequence[float]]
    right: Sequence[bool] = ()

    @property
    def flat(self) -> list[float]:
        """All rewards."""
        return [reward for rewards in self.rewards for reward in rewards]

    def split(self, share: float = 0.7) -> tuple[Sample, Sample]:
        """Prompts to choose on and prompts to check on; steps of one prompt stay together."""
        cut = max(1, round(share * len(self.rewards)))
        return (
            Sample(self.rewards[:cut], self.tokens[:cut], self.right[:cut]),
            Sample(self.rewards[cut:], self.tokens[cut:], self.right[cut:]),
        )

    def share_below(self, delta: float) -> float:
        """Share of steps this delta would send to the target."""
        flat = self.flat
        return sum(reward < delta for reward in flat) / len(flat)


async def collect(
    stack: Stack,
    prompts: Sequence[str],
    *,
    concurrency: int = 8,
    is_right: IsRight | None = None,
) -> Sample:
    """Draft every prompt once and keep the reward of every step.

    Args:
        stack: Only its draft and its PRM are asked.
        prompts: The questions.
        concurrency: Prompts at a time.
        is_right: Judges (prompt, answer), where golds are known.

    Raises:
        InputError: No prompt, or no draft wrote a step that can be scored.
    """
    turn = asyncio.Semaphore(concurrency)

    async def one(prompt: str) -> tuple[Sequence[float], list[float], bool]:
        async with turn:
            answer, rewards, tokens = await _rewards(stack, prompt)
            return rewards, tokens, await is_right(prompt, answer) if is_right else False

    found = [item for item in await asyncio.gather(*map(one, prompts)) if item[0]]
    if not found:
        raise InputError("there is nothing to calibrate on.", expected="prompts the draft answers")
    rewards, tokens, right = zip(*found, strict=True)
    return Sample(rewards, tokens, right if is_right else ())


async def _rewards(stack: Stack, prompt: str) -> tuple[str, Sequence[float], list[float]]:
    outcome = await alone(stack, "draft").solve(prompt, 0)
    steps = steps_of(outcome.text, stack.separator)
    if not steps:
        return outcome.text, [], []
    scores: Scores = await stack.prm.score(Prefix(stack.conversation(prompt)), steps)
    check_scores(scores, steps, stack.prm)
    return outcome.text, scores.rewards, _shares(outcome.steps[0]["tokens"], steps)


def _shares(tokens: int, steps: Sequence[Candidate]) -> list[float]:
    """The answer's tokens over its steps, by their length in characters."""
    characters = sum(len(step["text"]) for step in steps)
    return [tokens * len(step["text"]) / characters for step in steps]


def sweep(sample: Sample, points: int = 21) -> list[SweepPoint]:
    """The whole range of deltas: at each of *points* quantiles of the sample."""
    ordered = sorted(sample.flat)
    picks = sorted({ordered[i * (len(ordered) - 1) // (points - 1)] for i in range(points)})
    return [_point(sample, delta) for delta in picks]


def _point(sample: Sample, delta: float) -> SweepPoint:
    pairs = [
        (reward, tokens)
        for rewards, counts in zip(sample.rewards, sample.tokens, strict=True)
        for reward, tokens in zip(rewards, counts, strict=True)
    ]
    below = [tokens for reward, tokens in pairs if reward < delta]
    alone = [all(reward >= delta for reward in rewards) for rewards in sample.rewards]
    right = [right for right, is_alone in zip(sample.right, alone, strict=False) if is_alone]
    return SweepPoint(
        delta,
        len(below) / len(pairs),
        sum(below) / len(sample.rewards),
        fmean(alone),
        fmean(right) if right else None,
    )


def reliability(sample: Sample) -> dict[str, Any] | None:
    """How far an answer's lowest reward is the probability that it is right; `None` without golds.

    The bins of a reliability diagram, the expected calibration error, and the isotonic map from
    lowest reward to probability. For PRMs with rewards in [0, 1].
    """
    lowest = [min(rewards) for rewards in sample.rewards]
    if not sample.right or not all(0 <= reward <= 1 for reward in lowest):
        return None
    bins = calibration_bins(lowest, sample.right)
    return {
        "bins": [asdict(entry) for entry in bins],
        "expected_calibration_error": expected_calibration_error(bins),
        "isotonic": asdict(fit_isotonic(lowest, sample.right)),
    }


def choose(sample: Sample, gamma: float, confidence: float = 0.95) -> tuple[DeltaChoice, float]:
    """delta for a budget, chosen on most of the prompts, and the share it has on the rest.

    Raises:
        InputError: Too few steps to promise this budget at this confidence.
    """
    chosen_on, checked_on = sample.split()
    choice = choose_delta(chosen_on.flat, gamma, confidence=confidence)
    return choice, (checked_on if checked_on.rewards else chosen_on).share_below(choice.delta)


def write_calibration(
    path: str | Path,
    choice: DeltaChoice,
    held_out_share: float,
    sample: Sample,
    *,
    draft: str,
    prm: str,
) -> dict[str, Any]:
    """Write the file that `ChatRSD(delta="….json")` reads, bound to this draft and PRM."""
    content = {
        "format": FORMAT,
        "delta": choice.delta,
        "draft": model_identity(draft),
        "prm": model_identity(prm),
        "choice": asdict(choice),
        "held_out_target_share": held_out_share,
        "prompts": len(sample.rewards),
        "sweep": [asdict(point) for point in sweep(sample)],
        "reliability": reliability(sample),
    }
    Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content
