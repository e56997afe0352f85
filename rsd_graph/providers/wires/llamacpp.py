"""llama.cpp's native `/completion`: its OpenAI route cannot tell our separator from the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rsd_graph.answer.ledger import Usage, add_usage, usage
from rsd_graph.answer.state import Message
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.facts import ServerFacts, own_sampling
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from rsd_graph.providers.wires.completions_api import Text, common_prefix
from rsd_graph.providers.wires.llamacpp_answers import Answer, Pieces, Props

_SEEDS = 2**32 - 1
"""Seeds are 32 bits wide, and the highest one means "draw one at random"."""

_PENALTY_WINDOW = 8192
"""Tokens a repetition penalty looks back on. vLLM looks at all; here "all" is not accepted (-1)."""

_FORCED = 1e6
"""A bias no logit of a model comes near."""

_WHOLE_VOCABULARY = 2**31 - 1
"""The server takes the smaller of this and what it has."""


class LlamaCppWire(Served):
    """Continues text over `POST /completion`; checked against the llama.cpp server itself.

    Log-probabilities are the model's own, before temperature and the other samplers.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._opening: str | None = None

    async def describe(self) -> ServerFacts:
        """See `Described.describe`; the context is that of one slot."""
        served = await super().describe()
        props = await self._client.get("/props", Props)
        usual = props.default_generation_settings
        length, defaults = usual.n_ctx, own_sampling(usual.params)
        return replace(served, context_length=length, defaults=defaults, slots=props.total_slots)

    async def prompt_ids(self, prompt: str) -> Sequence[int]:
        """See `Tokenizing.prompt_ids`."""
        sent = prompt.removeprefix(await self._opening_text())
        return [token_id for token_id, _ in await self._tokens(sent)]

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionWire.complete`."""
        prompt = request.prompt.removeprefix(await self._opening_text())
        answer = await self._ask({"prompt": prompt, **_body(request)})
        text, tokens, word = answer.content, answer.reported, answer.stopping_word
        return Completion(text, answer.ended, answer.spent, tokens, answer.is_whole, word)

    async def _ask(self, body: Mapping[str, object]) -> Answer:
        return await self._client.post("/completion", body, Answer)

    async def render(self, conversation: Sequence[Message]) -> str:
        """See `CompletionWire.render`; the server renders, and leaves out the opening token."""
        body = {"messages": list(conversation)}
        return (await self._client.post("/apply-template", body, Text)).text

    async def log_probability(
        self, prompt: str, text: str, followed_by: str = ""
    ) -> tuple[float, Usage]:
        """Log-probability of *text* after *prompt*, at temperature 1 and without penalties.

        No route of llama.cpp says that, but `/completion` reports the model's own probability of
        whatever it generates, also where a bias leaves it no choice: one request for each token
        of the text, each a token longer and the rest of it in the prefix cache. Where a token
        spans the end of the prompt, the text is scored from that token on. The cost is booked as
        reading: the forced token is sampled from what was read.
        """
        prompt = prompt.removeprefix(await self._opening_text())
        before = [token_id for token_id, _ in await self._tokens(prompt)]
        whole = await self._tokens(prompt + text + followed_by)
        ids = [token_id for token_id, _ in whole]
        other = next((token_id for token_id, piece in whole if _is_text(piece)), 0)
        total, position, spent = 0.0, 0, [usage(calls=0)]
        for index in range(max(1, common_prefix(before, ids)), len(ids)):
            if position >= len(text.encode()):
                break
            token_id, piece = whole[index]
            sampled = token_id if _is_text(piece) else other
            logprob, cost = await self._forced(ids[:index], token_id, sampled)
            total, position = total + logprob, position + len(piece)
            spent.append(cost)
        return total, {**add_usage(*spent), "completion_tokens": 0}

    async def _forced(
        self, before: Sequence[int], token_id: int, sampled: int
    ) -> tuple[float, Usage]:
        """Log-probability of one token after others, where *sampled* is generated.

        They differ for a token that is only a part of a character: the server says nothing of it
        where it is generated, but ranks it among the rivals of another.
        """
        body = _body(CompletionRequest("", max_tokens=1))
        body["n_probs"] = 1 if sampled == token_id else _WHOLE_VOCABULARY
        body |= {"prompt": list(before), "logit_bias": [[sampled, _FORCED]]}
        answer = await self._ask(body)
        with self._client.reading():
            (row,) = answer.completion_probabilities
            found = {r.id: r.logprob for r in (*row.top_logprobs, row)}
            return found[token_id], answer.spent

    async def _tokens(self, text: str) -> list[tuple[int, bytes]]:
        """The tokens of a prompt, as `/completion` reads it, and their bytes."""
        body = {"content": text, "add_special": True, "with_pieces": True}
        answer = await self._client.post("/tokenize", body, Pieces)
        return [(token.id, token.spelled) for token in answer.tokens]

    async def _opening_text(self) -> str:
        """The token (BOS) the server puts before every prompt: a prompt must not bring its own."""
        if self._opening is None:
            with self._client.reading():
                self._opening = b"".join(text for _, text in await self._tokens("")).decode()
        return self._opening


def _body(request: CompletionRequest) -> dict[str, object]:
    """Everything is said: the server's own defaults are temperature 0.8, top-k 40 and more."""
    return {
        "n_predict": request.max_tokens,
        "stop": list(request.stop),
        "seed": request.seed % _SEEDS,
        "n_probs": 0 if request.logprobs is None else max(1, request.logprobs),
        **({} if request.logprobs is None else {"return_tokens": True}),
        "post_sampling_probs": False,
        "cache_prompt": True,
        "stream": False,
        **_sampling(request.sampling),
    }


def _sampling(sampling: Sampling) -> dict[str, object]:
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


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
