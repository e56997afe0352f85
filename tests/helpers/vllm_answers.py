"""What a live vLLM 0.32.0 answered on /v1/completions, word for word."""

from __future__ import annotations

import json
from typing import Any

SEPARATOR_END = json.loads(
    r"""{"id":"cmpl-8666211f17bcd971","object":"text_completion","created":1795357122,
    "model":"tiny","choices":[{"index":0,"text":"Step 1: Add 3 and 4. 3+4=7.","logprobs":null,
    "finish_reason":"stop","stop_reason":"\n\n","token_ids":null,"prompt_logprobs":null,
    "prompt_token_ids":null,"routed_experts":null}],"service_tier":null,
    "system_fingerprint":"vllm-0.32.0-24521cf2","usage":{"prompt_tokens":37,"total_tokens":55,
    "completion_tokens":18,"prompt_tokens_details":null,"completion_tokens_details":null},
    "kv_transfer_params":null,"ec_transfer_params":null,"metrics":null}"""
)


def answer(usage: dict[str, Any] | None = None, **choice: Any) -> dict[str, Any]:
    """vLLM's answer with some of the choice's fields, or of the usage, replaced."""
    changed = {**SEPARATOR_END["choices"][0], **choice}
    return {
        **SEPARATOR_END,
        "choices": [changed],
        "usage": {**SEPARATOR_END["usage"], **(usage or {})},
    }
