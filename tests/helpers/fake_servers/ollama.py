"""A fake of Ollama's native routes, from its sources at v0.33.0-rc2."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.helpers.fake_servers.serving import EOS, FakeModelServer, Reply, find, ok, split


class FakeOllama(FakeModelServer):
    """Says "stop" for EOS and stop strings alike (llm/llama_server.go:1713-1717)."""

    ROUTES: ClassVar[dict[str, str]] = {"/api/generate": "generate", "/api/chat": "chat"}

    def __init__(
        self, *outputs: list[str], renders: bool = True, prompt: int | None = None
    ) -> None:
        super().__init__(*outputs)
        self.renders = renders
        self.prompt_tokens = prompt

    def chat(self, body: dict[str, Any]) -> Reply:
        """server/routes.go:2708: the rendered template instead of an answer."""
        if not (self.renders and body["_debug_render_only"]):
            return ok({"message": {"role": "assistant", "content": "Hello!"}, "done": True})
        prompt = f"[INST] {body['messages'][-1]['content']} [/INST]"
        return ok({"model": body["model"], "_debug_info": {"rendered_template": prompt}})

    def generate(self, body: dict[str, Any]) -> Reply:
        """server/routes.go:751-796, not streamed."""
        options = body["options"]
        count = self.prompt_tokens or len(split(body["prompt"]))
        if count >= options["num_ctx"] and not body["truncate"]:
            words = (
                f"request ({count} tokens) exceeds the available context size, try increasing it"
            )
            return 400, {"error": words}, {}
        room = min(options["num_predict"], options["num_ctx"] - count)
        text, reason, used = self._run(options["stop"], room)
        if reason is None:
            return ok({"model": body["model"], "response": text, "done": False})
        counts = {"prompt_eval_count": count, "eval_count": used}
        return ok({"response": text, "done": True, "done_reason": reason, **counts})

    def _run(self, stop: list[str], room: int) -> tuple[str, str | None, int]:
        script, text = self.outputs.popleft(), ""
        for number, token in enumerate(script, start=1):
            if token == EOS:
                return text, "stop", number
            text += token
            if found := find(text, stop):
                return text[: text.find(found)], "stop", number
            if number >= room:
                return text, "length", number
        return text, None, len(script)  # llama_server.go:1700: too many equal tokens
