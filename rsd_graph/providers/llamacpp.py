"""llama.cpp's native `/completion`: its OpenAI route cannot tell our separator from the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rsd_graph.ledger import Usage, usage
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.client import Client
from rsd_graph.providers.completion import Completion, CompletionRequest, Token
from rsd_graph.providers.endpoint import Endpoint
from rsd_graph.state import Ended, Message

_SEEDS = 2**32 - 1
"""Seeds are 32 bits wide, and the highest one means "draw one at random"."""

_PENALTY_WINDOW = 8192
"""Tokens a repetition penalty looks back on. vLLM looks at all; here "all" is not accepted (-1)."""


class LlamaCppWire:
    """Continues text over `POST /completion`; checked against the llama.cpp server itself.

    Log-probabilities are the model's own, before temperature and the other samplers. llama.cpp
    reports none for the token that completes a stop string.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = Client(endpoint)
        self._opening: str | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        return self._client.endpoint

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionWire.complete`."""
        prompt = request.prompt.removeprefix(await self._opening_text())
        answer = await self._client.post("/completion", {"prompt": prompt, **_body(request)})
        with self._client.reading():
            return Completion(
                text="" + answer["content"],  # null is refused
                ended=self._ended(answer),
                usage=_usage(answer),
                tokens=[_token(row) for row in answer.get("completion_probabilities", ())],
            )

    def _ended(self, answer: Mapping[str, Any]) -> Ended:
        kind = answer["stop_type"]
        if kind == "word":  # the only stop strings there are: ours
            return "separator"
        if kind == "eos":
            return "eos"
        if kind == "limit":
            return "context" if answer["truncated"] else "length"
        raise self._client.malformed(f"stop_type {kind!r}")

    async def render(self, conversation: Sequence[Message]) -> str:
        """See `CompletionWire.render`; the server renders, and leaves out the opening token."""
        answer = await self._client.post("/apply-template", {"messages": list(conversation)})
        with self._client.reading():
            return str(answer["prompt"])

    async def _opening_text(self) -> str:
        """The token (BOS) the server puts before every prompt: a prompt must not bring its own."""
        if self._opening is None:
            body = {"content": "", "add_special": True, "with_pieces": True}
            answer = await self._client.post("/tokenize", body)
            with self._client.reading():
                self._opening = "".join(str(token["piece"]) for token in answer["tokens"])
        return self._opening


def _body(request: CompletionRequest) -> dict[str, Any]:
    """Everything is said: the server's own defaults are temperature 0.8, top-k 40 and more."""
    return {
        "n_predict": request.max_tokens,
        "stop": list(request.stop),
        "seed": request.seed % _SEEDS,
        "n_probs": 0 if request.logprobs is None else max(1, request.logprobs),
        "post_sampling_probs": False,
        "cache_prompt": True,
        "stream": False,
        **_sampling(request.sampling),
    }


def _sampling(sampling: Sampling) -> dict[str, Any]:
    """Ours, and every other sampler off."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repeat_penalty": sampling.repetition_penalty,
        "repeat_last_n": 0 if sampling.repetition_penalty == 1 else _PENALTY_WINDOW,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "typical_p": 1.0,
        "top_n_sigma": -1.0,
        "dynatemp_range": 0.0,
        "dry_multiplier": 0.0,
        "xtc_probability": 0.0,
        "mirostat": 0,
        "samplers": ["penalties", "top_k", "top_p", "min_p", "temperature"],
    }


def _usage(answer: Mapping[str, Any]) -> Usage:
    """`tokens_evaluated` is the whole prompt; `tokens_cached` is what the slot holds afterwards.

    What was reused stands only in the timings, which servers before September 2025 lack.
    """
    return usage(
        prompt_tokens=int(answer["tokens_evaluated"]),
        completion_tokens=int(answer["tokens_predicted"]),
        cached_tokens=answer.get("timings", {}).get("cache_n"),
    )


def _token(row: Mapping[str, Any]) -> Token:
    top = {str(rival["token"]): float(rival["logprob"]) for rival in row["top_logprobs"]}
    return Token(str(row["token"]), float(row["logprob"]), top)
