"""Qwen2.5-Math-PRM and its kind over vLLM's `/pooling`: the verdict stands at each step's tag."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import timed
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.prm.format import qwen_prm_prompt, refuse_reserved
from rsd_graph.providers.prm.pooling_route import Pooling, PoolingRoute, sigmoid
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.completions_api import TokenIds, named

TAG = "<extra_0>"
"""What Qwen2.5-Math-PRM reads after every step."""

_LOGITS = (
    "A checkpoint made by rsd-graph split-prm answers logits: name it "
    "qwen-prm-split+vllm+http://..."
)


class PoolingPRM(Served):
    """A discriminative PRM (`Qwen2ForProcessRewardModel`): reward = P(good) at each step's tag.

    Served with step pooling it reports every step, in one request for a run, and reads the whole
    answer anew for each. Served to judge the last token (docs/scorers.md) it reads its prefix cache
    and reports the candidates only, in one request too. Its first answer tells which; either way
    every prompt ends in the newest step's tag.

    Args:
        endpoint: Where it is served.
        logits: Ask for logits, which is all that a checkpoint made by `rsd-graph split-prm` can
            give; otherwise for probabilities.
    """

    providers = ("vllm",)
    """Servers that have its route."""
    reward_range = (0.0, 1.0)

    def __init__(self, endpoint: Endpoint, *, logits: bool = False) -> None:
        super().__init__(endpoint)
        self._logits = logits
        fields = {"add_special_tokens": False, "use_activation": not logits}
        self._route = PoolingRoute(self._client, columns=2, fields=fields)

    @property
    def family(self) -> str:
        """Its name in endpoint strings."""
        return "qwen-prm-split" if self._logits else "qwen-prm"

    @property
    def pooling(self) -> Pooling | None:
        """How the server pools; `None` until it has answered."""
        return self._route.pooling

    async def prompt_ids(self, prompt: str) -> Sequence[int]:
        """See `Tokenizing.prompt_ids`."""
        body = named(self.endpoint, {"prompt": prompt, "add_special_tokens": False})
        return (await self._client.post("/tokenize", body, TokenIds)).tokens

    def prompts(self, prefix: Prefix, candidates: Sequence[Candidate]) -> list[str]:
        """What is asked: one prompt for each candidate, cut after its tag.

        Raises:
            RewardError: A step contains the PRM's own tag.
        """
        steps = [step["text"] for step in (*prefix.steps, *candidates)]
        refuse_reserved(steps, (TAG, "<|im_start|>", "<|im_end|>"), self.endpoint)
        ends = range(len(prefix.steps) + 1, len(steps) + 1)
        return [qwen_prm_prompt(prefix.conversation, steps[:end], TAG) for end in ends]

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; with step pooling, `step_rewards` holds all steps' rewards.

        Raises:
            RewardError: Not one verdict per step, one that is no pair of probabilities, or a step
                contains the PRM's own tag.
            ProviderError: The endpoint failed.
        """
        started = time.perf_counter()
        pooled = await self._route.ask(self.prompts(prefix, candidates))
        steps = len(prefix.steps) + len(candidates)
        with kept_on_error([pooled.usage]):
            self._route.check(pooled, len(candidates), steps, "steps")
            if not self._logits:
                self._route.check_probabilities(pooled, _LOGITS)
        rewards = [sigmoid(good - bad) if self._logits else good for bad, good in pooled.rows]
        every_step = rewards if pooled.pooling == "rows" else []
        spent = timed(pooled.usage, started)
        return Scores(rewards[-len(candidates) :], spent, step_rewards=every_step)


class SplitPoolingPRM(PoolingPRM):
    """A checkpoint made by `rsd-graph split-prm`, which answers logits."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, logits=True)
