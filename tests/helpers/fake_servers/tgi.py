"""A fake of TGI 3.3.x's native routes, from its sources at commit db931fcf."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from tests.helpers.fake_servers.serving import BOS, EOS, FakeModelServer, Reply, ok, split


class FakeTGI(FakeModelServer):
    """Checks parameters as router/src/validation.rs does and stops as utils/tokens.py does."""

    ROUTES: ClassVar[dict[str, str]] = {
        "/generate": "generate",
        "/chat_tokenize": "chat_tokenize",
        "/tokenize": "tokenize",
    }

    def __init__(
        self,
        *outputs: list[str],
        template: str = "<s>[INST] {} [/INST]",
        adds_bos: bool = True,
        max_input_tokens: int = 4095,
        max_total_tokens: int = 4096,
    ) -> None:
        super().__init__(*outputs)
        self.template = template
        self.adds_bos = adds_bos
        self.max_input_tokens = max_input_tokens
        self.max_total_tokens = max_total_tokens

    def chat_tokenize(self, body: dict[str, Any]) -> Reply:
        """server.rs:199; encoded without special tokens (lib.rs:1011)."""
        text = self.template.format(body["messages"][-1]["content"])
        return ok({"templated_text": text, "tokenize_response": _tokens(text)})

    def tokenize(self, body: dict[str, Any]) -> Reply:
        """server.rs:1317; encoded with special tokens, whose text is empty (server.rs:71-83)."""
        added = [{"id": 1, "text": "", "start": 0, "stop": 0}] if self.adds_bos else []
        return ok(added + _tokens(body["inputs"]))

    def generate(self, body: dict[str, Any]) -> Reply:
        """server.rs:289."""
        asked = body["parameters"]
        count = len(split(body["inputs"])) + self.adds_bos
        refusal = _invalid(asked) or self._too_long(count, asked["max_new_tokens"])
        if refusal:
            error = {"error": f"Input validation error: {refusal}", "error_type": "validation"}
            return 422, error, {}
        reason, tokens = _run(self.outputs.popleft(), asked["stop"], asked["max_new_tokens"])
        details = {
            "finish_reason": reason,
            "generated_tokens": len(tokens),
            "seed": None,
            "prefill": [],
            "tokens": [
                {"id": 7, "text": token, "logprob": -0.5, "special": token == EOS}
                for token in tokens
            ],
        }
        text = "".join(token for token in tokens if token != EOS)
        return ok({"generated_text": text, "details": details}, x_prompt_tokens=str(count))

    def _too_long(self, count: int, new: int) -> str | None:
        """validation.rs:172-188: the total first, then the input."""
        if count + min(new, 1024) > self.max_total_tokens:
            return (
                f"`inputs` tokens + `max_new_tokens` must be <= {self.max_total_tokens}. "
                f"Given: {count} `inputs` tokens and {min(new, 1024)} `max_new_tokens`"
            )
        if count > self.max_input_tokens:
            return f"`inputs` must have less than {self.max_input_tokens} tokens. Given: {count}"
        return None


def _run(script: list[str], stop: list[str], budget: int) -> tuple[str, list[str]]:
    """utils/tokens.py:165-188: length, then EOS, then a stop string at the very end."""
    written = ""
    for number, token in enumerate(script, start=1):
        if number >= budget:
            return "length", script[:number]
        if token == EOS:
            return "eos_token", script[:number]
        written += token
        if any(re.findall(re.escape(s) + "$", written) for s in stop):
            return "stop_sequence", script[:number]
    raise AssertionError("the script must end in one of the three ways")


def _invalid(asked: dict[str, Any]) -> str | None:
    """validation.rs:242-290."""
    rules: list[tuple[str, Callable[[Any], bool], str]] = [
        ("temperature", lambda v: v > 0, "`temperature` must be strictly positive"),
        ("top_p", lambda v: 0 < v < 1, "`top_p` must be > 0.0 and < 1.0"),
        ("top_k", lambda v: v > 0, "`top_k` must be strictly positive"),
        ("stop", lambda v: len(v) <= 4, "`stop` supports up to 4 stop sequences"),
    ]
    broken = [words for name, holds, words in rules if name in asked and not holds(asked[name])]
    return broken[0] if broken else None


def _tokens(text: str) -> list[dict[str, Any]]:
    ids = {BOS: 1, EOS: 2}
    return [{"id": ids.get(token, 7), "text": token} for token in split(text)]
