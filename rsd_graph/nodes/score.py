"""Score: the PRM rates what was drafted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from rsd_graph.answer.ledger import add
from rsd_graph.answer.options import OnPRMError
from rsd_graph.answer.state import Candidate, RSDState
from rsd_graph.early.hedge import Hedge
from rsd_graph.early.lookahead import Drafter
from rsd_graph.errors import RSDError
from rsd_graph.nodes.request import StepOptions, is_judgeable
from rsd_graph.providers.base import RewardModel, Scores, check_scores


async def score_steps(
    state: RSDState,
    *,
    prm: RewardModel,
    hedge: Hedge,
    drafter: Drafter,
    options: StepOptions,
    on_error: OnPRMError,
) -> dict[str, Any]:
    """r_i = r(y^_i | z_i) for every candidate that can be judged; `None` for the others."""
    candidates = state["candidates"]
    judged = list(takewhile(is_judgeable, candidates))
    started = time.perf_counter()
    rewards: list[float | None] = [None] * len(candidates)
    entry: dict[str, Any] = {}
    if judged:
        rewrite = partial(options.request, state, role="target")
        entry = hedge.consider(state["seed"], judged[0], rewrite)
        try:
            scores = await _checked_scores(prm, state, judged, options)
            drafter.scored(scores, len(state["steps"]))
            rewards[: len(judged)] = scores.rewards
            entry |= {"prm": scores.usage, "scored_steps": len(judged)}
        except RSDError:
            if on_error == "raise":
                raise
            entry |= {"prm_failures": 1}
    entry["invalid_actions"] = sum(item["ended"] == "invalid" for item in candidates)
    elapsed = (time.perf_counter() - started) * 1000
    return {"rewards": rewards, "scoring_ms": elapsed, "ledger": add(state["ledger"], entry)}


async def _checked_scores(
    prm: RewardModel, state: RSDState, judged: Sequence[Candidate], options: StepOptions
) -> Scores:
    scores = await prm.score(options.prefix(state), judged)
    check_scores(scores, judged, prm)
    return scores
