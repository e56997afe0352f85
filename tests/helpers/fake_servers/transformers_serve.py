"""A fake of `transformers serve` 5.23.0's `/v1/completions`, from cli/serving/."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from tests.helpers.fake_servers.serving import EOS, FakeModelServer, Reply, find, ok, split

_FIELDS = {
    "best_of", "echo", "frequency_penalty", "generation_config", "logit_bias", "logprobs",
    "max_tokens", "model", "n", "presence_penalty", "prompt", "seed", "stop", "stream",
    "stream_options", "suffix", "temperature", "top_p", "user",
}  # fmt: skip


class FakeTransformersServe(FakeModelServer):
    """Refuses unknown fields, leaves the stop string in the text and checks no context."""

    ROUTES: ClassVar[dict[str, str]] = {"/v1/completions": "completions"}

    def __init__(self, *outputs: list[str], adds_bos: bool = True) -> None:
        super().__init__(*outputs)
        self.adds_bos = adds_bos

    def generation(self) -> dict[str, Any]:
        """The generation config of the last request."""
        config: dict[str, Any] = json.loads(self.bodies("/v1/completions")[-1]["generation_config"])
        return config

    def completions(self, body: dict[str, Any]) -> Reply:
        """completion.py:76-215."""
        if unexpected := set(body) - _FIELDS:
            return 422, {"detail": f"Unexpected fields in the request: {unexpected}"}, {}
        tokens = self._run(body)
        finish = "length" if len(tokens) >= body["max_tokens"] else "stop"
        text = "".join(token for token in tokens if token != EOS)
        count = len(split(body["prompt"])) + self.adds_bos
        usage = {"prompt_tokens": count, "completion_tokens": len(tokens)}
        return ok(
            {"choices": [{"index": 0, "text": text, "finish_reason": finish}], "usage": usage}
        )

    def _run(self, body: dict[str, Any]) -> list[str]:
        script = self.outputs.popleft()
        for number, token in enumerate(script, start=1):
            stopped = token == EOS or find("".join(script[:number]), body.get("stop", []))
            if stopped or number >= body["max_tokens"]:
                return script[:number]
        raise AssertionError("the script must end in one of the three ways")
