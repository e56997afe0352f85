"""The two models. Layers and loading are vLLM's own; only what is pooled is ours.

These are vLLM's internals, which move: checked with vLLM 0.32.0.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from vllm.config import VllmConfig
from vllm.model_executor.layers.linear import ReplicatedLinear
from vllm.model_executor.layers.pooler.seqwise import pooler_for_classify
from vllm.model_executor.models.interfaces_base import default_pooling_type
from vllm.model_executor.models.qwen2_rm import Qwen2RewardBaseModel
from vllm.model_executor.models.utils import AutoWeightsLoader, WeightsMapper


@default_pooling_type(seq_pooling_type="LAST", tok_pooling_type="ALL")
class Qwen2LastStepReward(Qwen2RewardBaseModel):
    """Qwen2.5-Math-PRM: [P(bad), P(good)] of the last token, from its two-layer head."""

    labels = 2

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        vllm_config.model_config.hf_config.num_labels = self.labels
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        self.pooler = pooler_for_classify(vllm_config.model_config.pooler_config)


class Qwen2LastStepValue(Qwen2LastStepReward):
    """Skywork-o1-Open-PRM: the value of the last token, from its head `v_head.summary`."""

    labels = 1

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        self.score = ReplicatedLinear(
            self.config.hidden_size,
            self.labels,
            params_dtype=self.head_dtype,
            return_bias=False,
        )

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Load the checkpoint, whose head has another name."""
        loader = AutoWeightsLoader(self, ignore_unexpected_prefixes=["lm_head."])
        renamed = WeightsMapper(orig_to_new_prefix={"v_head.summary.": "score."})
        return loader.load_weights(weights, mapper=renamed)
