"""Qwen2.5-Math-PRM and its kind over vLLM's `/pooling`: one row per step, in one call."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import RewardError
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.prm.format import qwen_prm_prompt, refuse_reserved
from rsd_graph.providers.wires.completions_api import PoolingAnswer, named

_TAG = "<extra_0>"
_GOOD = 1  # column of [P(bad), P(good)]


class PoolingPRM:
    """A discriminative PRM (`Qwen2ForProcessRewardModel`): reward = P(good) at each step's tag.

    All candidates of a run cost one request. vLLM computes the whole text anew for each: pooling at
    step tags reads no prefix cache.
    """

    reward_range = (0.0, 1.0)

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = Client(endpoint)

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is served."""
        return self._client.endpoint

    def __repr__(self) -> str:
        """Address, never the key."""
        return f"{type(self).__name__}({self.endpoint})"

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await listed_models(self._client)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; `step_rewards` holds the settled steps' rewards too.

        Raises:
            RewardError: Not one row per step, or a step contains the PRM's own tag.
            ProviderError: The endpoint failed.
        """
        started = time.perf_counter()
        steps = [step["text"] for step in (*prefix.steps, *candidates)]
        refuse_reserved(steps, (_TAG, "<|im_start|>", "<|im_end|>"), self.endpoint)
        body = {
            "input": qwen_prm_prompt(prefix.conversation, steps, _TAG),
            "add_special_tokens": False,
            "use_activation": True,
            "encoding_format": "float",
        }
        answer = await self._client.post("/pooling", named(self.endpoint, body), PoolingAnswer)
        rewards = self._rewards(answer.rows, len(steps))
        elapsed = (time.perf_counter() - started) * 1000
        usage: Usage = {**answer.usage.spent, "ms": elapsed}
        return Scores(rewards[len(prefix.steps) :], usage, step_rewards=rewards)

    def _rewards(self, rows: Sequence[Sequence[float]], steps: int) -> list[float]:
        """P(good) of each row; a server with another step tag answers 200 and an empty list."""
        if len(rows) != steps or any(len(row) != 2 for row in rows):
            raise RewardError(
                f"{len(rows)} rows of {sorted({len(row) for row in rows})} numbers "
                f"for {steps} steps.",
                role="prm",
                endpoint=str(self.endpoint),
                expected="one [bad, good] row per step",
                hint=f"vLLM must serve this model with pooling_type STEP and the tag {_TAG}.",
            )
        return [row[_GOOD] for row in rows]
