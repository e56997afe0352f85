"""Made-up answers, in the shape our files have."""

from __future__ import annotations

import random
from typing import Any


def step(text: str = "a step", reward: float | None = 0.9, delta: float = 0.7) -> dict[str, Any]:
    """A step that was accepted iff its reward reaches *delta*."""
    accepted = reward is not None and reward >= delta
    return {
        "text": text,
        "source": "draft" if accepted else "target",
        "reward": reward,
        "accepted": accepted,
        "ended": "separator",
        "tokens": 5,
        "ms": 10.0,
        "rejected_text": None if accepted else f"{text}, as drafted",
    }


def span(role: str, at: float, ms: float, use: str = "kept") -> dict[str, Any]:
    """A stretch of work, *at* seconds after some beginning."""
    return {"role": role, "started": 1.7e9 + at, "ms": ms, "use": use, "tokens": 5}


def answer(
    number: int, steps: list[dict[str, Any]] | None = None, right: bool | None = True
) -> dict[str, Any]:
    """A line of a journal."""
    return {
        "arm": "rsd",
        "question": f"q{number}",
        "prompt": f"question {number}",
        "answer": str(number),
        "steps": steps or [step()],
        "ledger": None,
        "finish_reason": "stop",
        "correct": right,
        "error": None,
    }


def journal(size: int, seed: int = 0, delta: float = 0.7) -> list[dict[str, Any]]:
    """Answers with random rewards and verdicts."""
    draw = random.Random(seed)
    return [
        answer(
            number,
            [step(f"step {i}", draw.random(), delta) for i in range(draw.randint(1, 6))],
            right=draw.random() < 0.7,
        )
        for number in range(size)
    ]
