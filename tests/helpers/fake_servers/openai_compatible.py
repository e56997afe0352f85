"""A fake of servers with OpenAI's `/v1/completions`, each with its own way to tell an end."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.helpers.fake_servers.serving import EOS, FakeModelServer, Reply, find, ok, split


class FakeOpenAICompatible(FakeModelServer):
    """A server of some dialect.

    Dialects: "bare" tells nothing (llama.cpp's and LiteLLM's TGI route), "include" honours
    `include_stop_str_in_output`, "vllm" adds `stop_reason`, "sglang" adds `matched_stop`.
    """

    ROUTES: ClassVar[dict[str, str]] = {"/v1/completions": "completions"}

    def __init__(self, *outputs: list[str], dialect: str = "bare", eos: Any = None) -> None:
        super().__init__(*outputs)
        self.dialect = dialect
        self.eos = eos
        self.adds_bos = False

    def completions(self, body: dict[str, Any]) -> Reply:
        """One choice, with usage."""
        text, finish, matched, used = self._run(body)
        if matched and self.dialect == "include" and body.get("include_stop_str_in_output"):
            text += matched
        choice: dict[str, Any] = {"index": 0, "text": text, "finish_reason": finish}
        field = {"vllm": "stop_reason", "sglang": "matched_stop"}.get(self.dialect)
        if field:
            choice[field] = matched or (self.eos if finish == "stop" else None)
        count = len(split(body["prompt"])) + self.adds_bos
        usage = {"prompt_tokens": count, "completion_tokens": used}
        return ok({"choices": [choice], "usage": usage})

    def _run(self, body: dict[str, Any]) -> tuple[str, str, str | None, int]:
        script, text = self.outputs.popleft(), ""
        for number, token in enumerate(script, start=1):
            if token == EOS:
                return text, "stop", None, number
            text += token
            if found := find(text, body.get("stop", [])):
                return text[: text.find(found)], "stop", found, number
            if number >= body["max_tokens"]:
                return text, "length", None, number
        raise AssertionError("the script must end in one of the three ways")
