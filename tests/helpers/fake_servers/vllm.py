"""A fake of vLLM's routes with a model that knows one answer, and one fault of your choice."""

from __future__ import annotations

from typing import Any, Literal

from aiohttp import web

from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_servers.serving import BOS, EOS, find, split

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
    "adds tokens after the tag",
    "knows no tag",
    "is counted elsewhere",
]

Cache = Literal["reported", "counted"]
"""How it tells what its prefix cache did: in every answer, or at /metrics only."""


class FakeVLLM(FakeEndpoint):
    """Answers as vLLM 0.33 does, but for its *fault*.

    Args:
        fault: What is wrong with it.
        key: What it wants as a Bearer token on `/v1/` (serve/middleware/authenticate.py).
        context: Its `max_model_len`.
        cache: How it tells of its prefix cache; by default not at all.
        block: Tokens in a block of it.
        judges: What its PRM judges: every step, by rows that no cache can give, or the last token.
    """

    def __init__(
        self,
        fault: Fault | None = None,
        *,
        key: str | None = None,
        context: int = 8192,
        cache: Cache | None = None,
        block: int = 16,
        judges: Literal["steps", "last token"] = "steps",
    ) -> None:
        super().__init__(
            {
                "/v1/models": self._models,
                "/v1/completions": self._completions,
                "/tokenize": self._tokenize,
                "/detokenize": self._detokenize,
                "/pooling": self._pooling,
                "/metrics": self._metrics,
            }
        )
        self._fault = fault
        self._key = key
        self._context = context
        self._draws = 0
        self._vocabulary: list[str] = []
        self._cache = cache
        self._block = block
        self._judges = judges
        self._blocks: set[tuple[str, ...]] = set()
        self._requests = self._queries = self._hits = 0

    def _look_up(self, tokens: list[str]) -> int:
        """How many of these are in the cache; now all whole blocks of them are."""
        ends = range(self._block, len(tokens), self._block)
        known = [end for end in ends if tuple(tokens[:end]) in self._blocks]
        self._blocks |= {tuple(tokens[:end]) for end in (*ends, len(tokens))}
        self._queries, self._hits = self._queries + len(tokens), self._hits + max([0, *known])
        return max([0, *known])

    def _usage(self, tokens: list[str], cached: int, written: int = 0) -> dict[str, Any]:
        details = {"cached_tokens": cached} if self._cache == "reported" else None
        return {
            "prompt_tokens": len(tokens),
            "completion_tokens": written,
            "prompt_tokens_details": details,
        }

    async def _metrics(self, _: web.Request) -> web.Response:
        if self._cache is None:
            return web.Response(status=404)
        finished = 0 if self._fault == "is counted elsewhere" else self._requests
        return web.Response(
            text=f'vllm:request_success_total{{finished_reason="stop"}} {finished}.0\n'
            f'vllm:prefix_cache_queries_total{{engine="0"}} {self._queries}.0\n'
            f'vllm:prefix_cache_hits_total{{engine="0"}} {self._hits}.0\n'
            f'vllm:cache_config_info{{block_size="{self._block}"}} 1.0\n'
        )

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
        if self._fault == "knows no tag":
            text = text.replace("<extra_0>", " ex tra 0")
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
        read = split(prompt) + [BOS] * (self._fault == "bos in front")
        self._requests += 1
        usage = self._usage(read, self._look_up(read), len(split(text)) + 1)
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
        """A row [bad, good] per step, or that of the last one; good is what does not come to 12."""
        asked = (await request.json())["input"]
        prompts = [asked] if isinstance(asked, str) else asked
        data, read, cached = [], list[str](), 0
        for index, prompt in enumerate(prompts):
            tokens = split(prompt) + [EOS] * (self._fault == "adds tokens after the tag")
            read, self._requests = read + tokens, self._requests + 1
            rows = [self._row(step) for step in _steps(prompt)]
            if self._judges == "last token":
                cached += self._look_up(tokens)
            data.append({"index": index, "data": rows if self._judges == "steps" else rows[-1]})
        return web.json_response({"data": data, "usage": self._usage(read, cached)})

    def _row(self, step: str) -> list[float]:
        good = 0.1 if "12" in step else 0.9
        if self._fault == "rewards swapped":
            good = 1 - good
        if self._fault == "rewards beyond the range":
            good += 1
        return [1 - good, good]


def _steps(prompt: str) -> list[str]:
    return prompt.partition("assistant\n")[2].split("<extra_0>")[:-1]


def _cut(text: str, body: dict[str, Any]) -> tuple[str, str, str | None]:
    """Text, finish_reason and stop_reason."""
    if found := find(text, body.get("stop", [])):
        return text[: text.find(found)], "stop", found
    if len(split(text)) >= body["max_tokens"]:
        return "".join(split(text)[: body["max_tokens"]]), "length", None
    return text, "stop", None
