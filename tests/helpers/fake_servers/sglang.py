"""A fake of SGLang 0.5.23's OpenAI-compatible routes, from its sources."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.helpers.fake_servers.serving import BOS, EOS, FakeModelServer, Reply, find, ok, split


class FakeSGLang(FakeModelServer):
    """Stops as managers/schedule_batch.py:1856-2043 does: stop string, then EOS, then length."""

    ROUTES: ClassVar[dict[str, str]] = {
        "/v1/completions": "completions",
        "/tokenize": "tokenize",
        "/detokenize": "detokenize",
    }

    def __init__(
        self, *outputs: list[str], adds_bos: bool = True, context: int = 4096, eos: Any = 2
    ) -> None:
        super().__init__(*outputs)
        self.adds_bos = adds_bos
        self.context = context
        self.eos = eos
        self.vocabulary: list[str] = [BOS]

    def tokenize(self, body: dict[str, Any]) -> Reply:
        """serving_tokenize.py:54: messages are templated, a prompt gets special tokens."""
        if "messages" in body:
            return ok({"tokens": self._ids(f"<s>[INST] {body['messages'][-1]['content']} [/INST]")})
        added = [0] if self.adds_bos and body["add_special_tokens"] else []
        return ok({"tokens": added + self._ids(body["prompt"])})

    def detokenize(self, body: dict[str, Any]) -> Reply:
        """serving_tokenize.py: special tokens only if they are asked for."""
        texts = [self.vocabulary[i] for i in body["tokens"]]
        kept = [t for t in texts if t != BOS or not body["skip_special_tokens"]]
        return ok({"text": "".join(kept)})

    def completions(self, body: dict[str, Any]) -> Reply:
        """serving_completions.py."""
        count = len(split(body["prompt"])) + self.adds_bos
        if refusal := self._too_long(count, body["max_tokens"]):
            error = {"object": "error", "message": refusal, "type": "BadRequestError", "code": 400}
            return 400, error, {}
        text, finish, matched, used = self._run(body)
        choice = {"index": 0, "text": text, "finish_reason": finish, "matched_stop": matched}
        usage = {"prompt_tokens": count, "completion_tokens": used, "prompt_tokens_details": None}
        return ok({"choices": [{**choice, "logprobs": _logprobs(body, text)}], "usage": usage})

    def _run(self, body: dict[str, Any]) -> tuple[str, str, Any, int]:
        script, text = self.outputs.popleft(), ""
        for number, token in enumerate(script, start=1):
            if token == EOS:
                return text, "stop", self.eos, number
            text += token
            if found := find(text, body["stop"]):
                return text[: text.find(found)], "stop", found, number
            if number >= body["max_tokens"]:
                return text, "length", None, number
        raise AssertionError("the script must end in one of the three ways")

    def _too_long(self, count: int, new: int) -> str | None:
        """managers/tokenizer_manager.py:1348, 1372."""
        if count >= self.context:
            return (
                f"The input ({count} tokens) is longer than the "
                f"model's context length ({self.context} tokens)."
            )
        if count + new > self.context:
            return (
                f"Requested token count exceeds the model's maximum context length "
                f"of {self.context} tokens. You requested a total of {count + new} "
                f"tokens: {count} tokens from the input messages and "
                f"{new} tokens for the completion. Please reduce the number "
                f"of tokens in the input messages or the completion to fit within the limit."
            )
        return None

    def _ids(self, text: str) -> list[int]:
        tokens = split(text)
        self.vocabulary += [token for token in tokens if token not in self.vocabulary]
        return [self.vocabulary.index(token) for token in tokens]


def _logprobs(body: dict[str, Any], text: str) -> dict[str, Any] | None:
    if "logprobs" not in body:
        return None
    tokens = split(text)
    return {
        "tokens": tokens,
        "token_logprobs": [-0.5] * len(tokens),
        "top_logprobs": [{"other": -2.0}] * len(tokens),
    }
