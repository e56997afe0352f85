"""Choosing delta from your own prompts: draft and PRM run once, every delta is answered offline.

Proposition 2.3 of the paper: under a budget that lets the target write a share gamma of the steps,
the best delta is the gamma-quantile of the draft's rewards. Rewards are taken on the draft's own
continuations, which is where RSD starts from; once the target has rewritten a step, the draft
continues better text, so the share met in use is usually below the one promised here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rsd_graph.calibrated import FORMAT, model_identity
from rsd_graph.errors import InputError
from rsd_graph.evaluation.arms import Stack, alone, steps_of
from rsd_graph.evaluation.statistics import DeltaChoice, choose_delta
from rsd_graph.providers.base import Prefix, Scores, check_scores
from rsd_graph.state import Candidate


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """What one delta would do on the sample.

    Attributes:
        delta: The threshold.
        target_share: Share of draft steps below it: what the target would write.
        target_tokens: Tokens per question in those steps, as the draft wrote them.
    """

    delta: float
    target_share: float
    target_tokens: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Rewards of the draft's steps, one list per prompt, and each step's share of the tokens."""

    rewards: Sequence[Sequence[float]]
    tokens: Sequence[Sequence[float]]

    @property
    def flat(self) -> list[float]:
        """All rewards."""
        return [reward for rewards in self.rewards for reward in rewards]

    def split(self, share: float = 0.7) -> tuple[Sample, Sample]:
        """Prompts to choose on and prompts to check on; steps of one prompt stay together."""
        cut = max(1, round(share * len(self.rewards)))
        return (
            Sample(self.rewards[:cut], self.tokens[:cut]),
            Sample(self.rewards[cut:], self.tokens[cut:]),
        )

    def share_below(self, delta: float) -> float:
        """Share of steps this delta would send to the target."""
        flat = self.flat
        return sum(reward < delta for reward in flat) / len(flat)


async def collect(stack: Stack, prompts: Sequence[str], *, concurrency: int = 8) -> Sample:
    """Draft every prompt once and keep the reward of every step.

    Raises:
        InputError: No prompt, or no draft wrote a step that can be scored.
    """
    turn = asyncio.Semaphore(concurrency)

    async def one(prompt: str) -> tuple[Sequence[float], list[float]]:
        async with turn:
            return await _rewards(stack, prompt)

    pairs = [pair for pair in await asyncio.gather(*map(one, prompts)) if pair[0]]
    if not pairs:
        raise InputError("there is nothing to calibrate on.", expected="prompts the draft answers")
    return Sample([rewards for rewards, _ in pairs], [tokens for _, tokens in pairs])


async def _rewards(stack: Stack, prompt: str) -> tuple[Sequence[float], list[float]]:
    outcome = await alone(stack, "draft").solve(prompt, 0)
    steps = steps_of(outcome.text, stack.separator)
    if not steps:
        return [], []
    scores: Scores = await stack.prm.score(Prefix(stack.conversation(prompt)), steps)
    check_scores(scores, steps, stack.prm)
    return scores.rewards, _shares(outcome.steps[0]["tokens"], steps)


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
    return SweepPoint(delta, len(below) / len(pairs), sum(below) / len(sample.rewards))


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
    }
    Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content
