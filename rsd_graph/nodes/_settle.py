"""How decided steps enter the answer and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rsd_graph._logging import get_logger
from rsd_graph.ledger import Ledger, add
from rsd_graph.limits import Limits
from rsd_graph.state import Candidate, RSDState, Step


def accepted_steps(state: RSDState, count: int) -> list[Step]:
    """The first *count* candidates as settled steps, each with its share of the PRM's time."""
    share = state["scoring_ms"] / max(1, len(state["candidates"]))
    pairs = zip(state["candidates"][:count], state["rewards"], strict=False)
    return [
        _step(candidate, "draft", reward, accepted=True, ms=candidate["usage"]["ms"] + share)
        for candidate, reward in pairs
    ]


def rewritten_step(state: RSDState, index: int, candidate: Candidate) -> Step:
    """The target's step in place of the draft at *index* of the run."""
    draft, reward = state["candidates"][index], state["rewards"][index]
    share = state["scoring_ms"] / len(state["candidates"])
    ms = draft["usage"]["ms"] + share + candidate["usage"]["ms"]
    step = _step(candidate, "target", reward, accepted=False, ms=ms)
    step["rejected_text"] = draft["text"]
    return step


def settle(
    state: RSDState, steps: list[Step], entry: dict[str, Any], limits: Limits
) -> dict[str, Any]:
    """The update that appends *steps*, books *entry*, and says whether the answer is finished."""
    ledger = add(state["ledger"], entry)
    for offset, step in enumerate(steps):
        _log(step, len(state["steps"]) + offset)
    return {
        "steps": steps,
        "candidates": [],
        "rewards": [],
        "ledger": ledger,
        "finish_reason": _finish_reason(state, steps, ledger, limits),
    }


def _finish_reason(state: RSDState, steps: list[Step], ledger: Ledger, limits: Limits) -> Any:
    return limits.finish_reason([*state["steps"], *steps], ledger)


def tokens_of(candidates: Sequence[Candidate]) -> int:
    """Tokens generated for these candidates."""
    return sum(candidate["usage"]["completion_tokens"] for candidate in candidates)


def _step(
    candidate: Candidate, source: Any, reward: float | None, *, accepted: bool, ms: float
) -> Step:
    return Step(
        text=candidate["text"],
        source=source,
        reward=reward,
        accepted=accepted,
        ended=candidate["ended"],
        tokens=candidate["usage"]["completion_tokens"],
        ms=ms,
        rejected_text=None,
    )


def _log(step: Step, index: int) -> None:
    """One line per settled step: numbers only, never text."""
    get_logger(__name__).debug(
        "rsd.step_settled",
        step=index,
        source=step["source"],
        reward=step["reward"],
        accepted=step["accepted"],
        ended=step["ended"],
        tokens=step["tokens"],
    )
