"""SGLang, by `/v1/completions`. Read in the sources of SGLang 0.5.23 (paths below sglang/srt)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rsd_graph.answer.state import Ended, Message
from rsd_graph.errors import ServerError
from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, cut_at_stop
from rsd_graph.providers.wires.completions_api import (
    named,
    openai_sampling,
    read_usage,
    reported_tokens,
    within_context,
)

_REFUSAL = re.compile(
    r"context length of (?P<limit>\d+) tokens\..*?: (?P<prompt>\d+) tokens from the input"
)
"""managers/tokenizer_manager.py:1372: prompt and max_tokens beyond the context are an error."""


class SGLangWire:
    """`POST /v1/completions`, which says what it stopped at; the template by `/tokenize`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = Client(endpoint)

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        return self._client.endpoint

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await listed_models(self._client)

    async def prompt_ids(self, prompt: str) -> Sequence[int]:
        """See `Tokenizing.prompt_ids`; completions are encoded with special tokens."""
        return await self._tokenize({"prompt": prompt, "add_special_tokens": True})

    async def render(self, conversation: Sequence[Message]) -> str:
        """The templated conversation, as the server tokenizes it for a chat.

        `/tokenize` takes messages (entrypoints/openai/serving_tokenize.py:54); without
        `add_generation_prompt` they are rendered ready for the answer (protocol.py:1763). A text
        prompt is encoded with special tokens, so a BOS that would come twice is cut.
        """
        tokens = await self._tokenize({"messages": list(conversation)})
        prompt = await self._detokenize(tokens)
        encoded = await self._tokenize({"prompt": prompt, "add_special_tokens": True})
        if len(encoded) > len(tokens) and encoded[:2] == tokens[:1] * 2:
            return prompt.removeprefix(await self._detokenize(tokens[:1]))
        return prompt

    async def _tokenize(self, body: dict[str, Any]) -> list[int]:
        answer = await self._client.post("/tokenize", named(self.endpoint, body))
        with self._client.reading():
            return list(answer["tokens"])

    async def _detokenize(self, tokens: list[int]) -> str:
        """Their text, special tokens included (left out by default, protocol.py:1809)."""
        body = named(self.endpoint, {"tokens": tokens, "skip_special_tokens": False})
        answer = await self._client.post("/detokenize", body)
        with self._client.reading():
            text: str = "" + answer["text"]
            return text

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionWire.complete`."""
        return await within_context(self._ask, request, _REFUSAL)

    async def _ask(self, request: CompletionRequest) -> Completion:
        answer = await self._client.post("/v1/completions", self._body(request))
        with self._client.reading():
            choice = answer["choices"][0]
            text, found = cut_at_stop(choice["text"], request.stop)
            return Completion(
                text=text,
                ended="separator" if found else self._ended(choice, request.stop),
                usage=read_usage(answer["usage"]),
                tokens=reported_tokens(choice),
            )

    def _ended(self, choice: Mapping[str, Any], stop: Sequence[str]) -> Ended:
        """A matched stop string is reported as text, EOS and stop tokens as an id.

        managers/schedule_batch.py:1856-2043. A text that is not ours ("NaN happened", line 1989)
        is the server's trouble, and so is "abort".
        """
        if choice["finish_reason"] == "length":
            return "length"
        finish, matched = choice["finish_reason"], choice["matched_stop"]
        if finish == "stop" and matched in stop:
            return "separator"
        if finish == "stop" and not isinstance(matched, str):
            return "eos"
        raise ServerError(
            f"the generation broke off (finish_reason {finish!r}, matched_stop {matched!r}).",
            role=self.endpoint.role,
            endpoint=str(self.endpoint),
            hint="See the server's log.",
        )

    def _body(self, request: CompletionRequest) -> dict[str, Any]:
        """Every parameter in full; `no_stop_trim` false leaves the stop string out of the text."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "max_tokens": request.max_tokens,
            "stop": list(request.stop),
            "no_stop_trim": False,
            "seed": request.seed,
            **openai_sampling(sampling),
            "top_k": sampling.top_k or -1,
            "min_p": sampling.min_p,
            "repetition_penalty": sampling.repetition_penalty,
        }
        if request.logprobs is not None:
            body["logprobs"] = request.logprobs
        return named(self.endpoint, body)
