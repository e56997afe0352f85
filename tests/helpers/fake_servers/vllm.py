"""A fake of vLLM's routes with a model that knows one answer, and one fault of your choice."""

from __future__ import annotations

from typing import Any, Literal

from aiohttp import web

from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_servers.serving import BOS, find, split

ANSWER = "3 + 4 = 7 apples.\n\nSo 7."
MODEL = "apples"

Fault = Literal[
    "bos in front",
    "bos twice in the template",
    "drops the question",
    "trims the prompt",
    "does not tell the ends",
    "draws at random",
    "penalises what names no penalty",
    "ignores top_k",
    "refuses min_p",
    "busy",
    "rewards swapped",
    "rewards beyond the range",
]


class FakeVLLM(FakeEndpoint):
    """Answers as vLLM 0.33 does, but for its *fault*.

    Args:
        fault: What is wrong with it.
        key: What it wants as a Bearer token on `/v1/` (serve/middleware/authenticate.py).
        context: Its `max_model_len`.
    """

    def __init__(
        self, fault: Fault | None = None, *, key: str | None = None, context: int = 8192
    ) -> None:
        super().__init__(
            {
                "/v1/models": self._models,
                "/v1/completions": self._completions,
                "/tokenize": self._tokenize,
                "/detokenize": self._detokenize,
                "/pooling": self._pooling,
            }
        )
        self._fault = fault
        self._key = key
        self._context = context
        self._draws = 0
        self._vocabulary: list[str] = []

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        sent = request.headers.get("Authorization")
        if self._key and request.path.startswith("/v1/") and sent != f"Bearer {self._key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        body = await request.json() if request.can_read_body else {}
        if body.get("model", MODEL) != MODEL:
            error = {"message": f"The model `{body['model']}` does not exist.", "code": 404}
            return web.json_response({"error": error}, status=404)
        return await super()._answer(request)

    async def _models(self, _: web.Request) -> web.Response:
        card = {"id": MODEL, "root": MODEL, "max_model_len": self._context}
        return web.json_response({"object": "list", "data": [card]})

    async def _tokenize(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = body.get("prompt") or self._template(body["messages"][-1]["content"])
        tokens = split(text)
        self._vocabulary += [token for token in tokens if token not in self._vocabulary]
        return web.json_response({"tokens": [self._vocabulary.index(token) for token in tokens]})

    def _template(self, question: str) -> str:
        bos = BOS * 2 if self._fault == "bos twice in the template" else BOS
        shown = "" if self._fault == "drops the question" else question
        return f"{bos}[INST] {shown} [/INST]"

    async def _detokenize(self, request: web.Request) -> web.Response:
        tokens = (await request.json())["tokens"]
        return web.json_response({"prompt": "".join(self._vocabulary[token] for token in tokens)})

    async def _completions(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self._fault == "busy":
            return web.json_response({"error": {"message": "no workers"}}, status=503)
        if self._fault == "refuses min_p" and body.get("min_p"):
            return web.json_response({"error": {"message": "min_p: unknown"}}, status=400)
        prompt = body["prompt"].rstrip() if self._fault == "trims the prompt" else body["prompt"]
        text, finish, stop = _cut(self._text(prompt, body), body)
        choice = {"index": 0, "text": text, "finish_reason": finish, "stop_reason": stop}
        if self._fault == "does not tell the ends":
            del choice["stop_reason"]
        read = len(split(prompt)) + (self._fault == "bos in front")
        usage = {"prompt_tokens": read, "completion_tokens": len(split(text)) + 1}
        return web.json_response({"choices": [choice], "usage": usage})

    def _text(self, prompt: str, body: dict[str, Any]) -> str:
        """What is left of the answer; other words where something else than greed decides."""
        top_k = body.get("top_k") == 1 and self._fault != "ignores top_k"
        greedy = body["temperature"] == 0 or top_k or body["top_p"] < 0.1 or body.get("min_p") == 1
        self._draws += 1
        if not greedy or self._fault == "draws at random":
            return f"draw {self._draws}"
        penalised = self._fault == "penalises what names no penalty"
        if penalised and "repetition_penalty" not in body:
            return "Anything but that."
        return ANSWER.removeprefix(prompt.partition("[/INST]")[2])

    async def _pooling(self, request: web.Request) -> web.Response:
        """A row [bad, good] per step; good is what does not come to 12."""
        steps = (await request.json())["input"].partition("assistant\n")[2].split("<extra_0>")[:-1]
        good = [0.1 if "12" in step else 0.9 for step in steps]
        if self._fault == "rewards swapped":
            good = [1 - reward for reward in good]
        if self._fault == "rewards beyond the range":
            good = [reward + 1 for reward in good]
        rows = [[1 - reward, reward] for reward in good]
        usage = {"prompt_tokens": 40, "completion_tokens": 0}
        return web.json_response({"data": [{"index": 0, "data": rows}], "usage": usage})


def _cut(text: str, body: dict[str, Any]) -> tuple[str, str, str | None]:
    """Text, finish_reason and stop_reason."""
    if found := find(text, body.get("stop", [])):
        return text[: text.find(found)], "stop", found
    if len(split(text)) >= body["max_tokens"]:
        return "".join(split(text)[: body["max_tokens"]]), "length", None
    return text, "stop", None
