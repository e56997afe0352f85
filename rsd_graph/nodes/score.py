"""Score: the PRM rates what was drafted."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import takewhile

from rsd_graph.answer.books import Books
from rsd_graph.answer.options import OnPRMError
from rsd_graph.answer.state import RSDState, Update
from rsd_graph.early.requests import EarlyRequests
from rsd_graph.nodes.request import StepOptions, tokens_of
from rsd_graph.nodes.scoring import Rewards, Scoring
from rsd_graph.providers.base import RewardModel


async def score_steps(
    state: RSDState,
    books: Books,
    *,
    prm: RewardModel,
    early: EarlyRequests,
    options: StepOptions,
    on_error: OnPRMError,
    accepted: Callable[[RSDState], int],
) -> Update:
    """r_i = r(y^_i | z_i) for every candidate that can be judged; `None` for the others.

    Candidates whose score must be raised, once those before them are settled, are dropped: the next
    lap drafts them again.
    """

    def all_accepted(rewards: Rewards) -> bool:
        return accepted({**state, "rewards": rewards}) == len(rewards)

    candidates, started = state["candidates"], time.perf_counter()
    update: Update = {"scoring_started": time.time()}
    run = list(takewhile(options.judges, candidates))
    if run:
        rewrite = partial(options.request, state, role="target")
        books.enter(early.hedge.consider(state["run"], run[0], rewrite))
    scoring = Scoring(
        prm,
        partial(options.prefix_shown, state),
        all_accepted,
        on_error,
        books,
        early.drafter.scored,
    )
    rewards = await scoring.rewards(run)
    if len(rewards) < len(run) and all_accepted(rewards):
        books.enter({"wasted_draft_tokens": tokens_of(candidates[len(rewards) :])})
        candidates = update["candidates"] = candidates[: len(rewards)]
    books.enter({"invalid_actions": sum(item["ended"] == "invalid" for item in candidates)})
    update["rewards"] = rewards + [None] * (len(candidates) - len(rewards))
    update["scoring_ms"] = (time.perf_counter() - started) * 1000
    return update
