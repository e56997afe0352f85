"""Hugging Face Text Generation Inference 3.x, by its native route.

Read in the router and server sources of TGI at commit db931fcf (3.3.7 and later; the project is in
maintenance mode); file and line are given where a behaviour is unlike other servers'.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import add_usage, usage
from rsd_graph.answer.state import Ended, Message
from rsd_graph.errors import CapabilityError, ContextOverflowError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.http.answers import Count, ListOf, LogProbability, Shape, decoded
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, Token, cut_at_stop
from rsd_graph.providers.wires.completions_api import within_context

_MOST_NEW_TOKENS = 1024
"""Beyond this the router generates in pieces of its own and forgets the stop strings in between
(router/src/validation.rs:25, router/src/infer/mod.rs:164-175)."""

_MOST_TOP_TOKENS = 5
"""More are refused (`max_top_n_tokens` of the router)."""

_REFUSAL = re.compile(r"must be <= (?P<limit>\d+)\. Given: (?P<prompt>\d+) `inputs`")
"""router/src/validation.rs:999: inputs and max_new_tokens beyond max_total_tokens are an error."""


class _Token(Shape):
    text: str
    logprob: LogProbability
    special: bool


class _Details(Shape):
    finish_reason: Literal["length", "eos_token", "stop_sequence"]
    generated_tokens: Annotated[Count, Field(gt=0)]
    tokens: ListOf[_Token]
    top_tokens: ListOf[ListOf[_Token]] | None = None

    @property
    def ended(self) -> Ended:
        """How one piece ended, as far as the server noticed.

        The length is checked before EOS (server/text_generation_server/utils/tokens.py:168-186), so
        an EOS in the last permitted place is told by its token; its text is stripped.
        """
        if self.finish_reason == "length":
            return "eos" if self.tokens and self.tokens[-1].special else "length"
        return "eos" if self.finish_reason == "eos_token" else "separator"

    def reported(self) -> list[Token]:
        """The tokens with their log-probabilities, which TGI always reports."""
        tops = self.top_tokens or [[]] * len(self.tokens)
        return [
            Token(token.text, token.logprob, {rival.text: rival.logprob for rival in (*top, token)})
            for token, top in zip(self.tokens, tops, strict=True)
        ]


class _Generated(Shape):
    generated_text: str
    details: _Details


class _Piece(Shape):
    id: Count
    text: str = ""
    """Empty from a Python tokenizer (router/src/server.rs:71-98)."""


class _Templated(Shape):
    templated_text: str
    tokenize_response: ListOf[_Piece]


class _Info(Shape):
    model_id: str
    max_total_tokens: Count


class TGIWire(Served):
    """`POST /generate`, with the template through `POST /chat_tokenize`.

    Unlike other servers, TGI leaves the stop string in the text and misses one in the middle of a
    token, and it refuses neutral sampling values, so these are left out.
    """

    async def describe(self) -> ServerFacts:
        """See `Described.describe`; `/info` asks for no key. There are no sampling defaults."""
        info = await self._client.get("/info", _Info)
        return ServerFacts((info.model_id,), info.max_total_tokens)

    async def prompt_ids(self, prompt: str) -> Sequence[int]:
        """See `Tokenizing.prompt_ids`."""
        pieces = await self._client.post("/tokenize", {"inputs": prompt}, ListOf[_Piece])
        return [piece.id for piece in pieces]

    async def render(self, conversation: Sequence[Message]) -> str:
        """The templated conversation, less a BOS that `/generate` would add once more.

        `/chat_tokenize` encodes without special tokens (router/src/lib.rs:1011), `/tokenize` and
        `/generate` always with them (lib.rs:1346). If the two differ by a second BOS at the front,
        it is cut from the text.
        """
        body = {"messages": list(conversation)}
        templated = await self._client.post("/chat_tokenize", body, _Templated)
        prompt, tokens = templated.templated_text, templated.tokenize_response
        ids = await self.prompt_ids(prompt)
        if not tokens or len(ids) == len(tokens) or ids[:2] != [tokens[0].id] * 2:
            return prompt
        if not tokens[0].text:
            raise self.endpoint.error(
                CapabilityError,
                "this server would put its BOS token twice and does not tell its text.",
                expected="a model with a fast tokenizer (tokenizer.json)",
            )
        return prompt.removeprefix(tokens[0].text)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue the prompt, in pieces of at most 1024 tokens.

        Raises:
            CapabilityError: The request needs `min_p`, which TGI does not have.
        """
        if request.sampling.min_p > 0:
            raise self.endpoint.error(
                CapabilityError,
                f"this server cannot sample with min_p={request.sampling.min_p}.",
                expected="min_p=0",
            )
        done = Completion("", "length", usage(calls=0, cached_tokens=0))
        left = request.max_tokens
        while done.ended == "length" and left > 0:
            try:
                with kept_on_error([done.usage]):
                    piece = await self._piece(request, done, left)
            except ContextOverflowError:
                if not done.text:
                    raise
                return replace(done, ended="context")
            left -= piece.usage["completion_tokens"]
            done = _joined(done, piece, request.stop)
        return done

    async def _piece(self, request: CompletionRequest, done: Completion, left: int) -> Completion:
        """The next piece after what is done; each draws from a seed of its own."""
        piece = replace(
            request,
            prompt=request.prompt + done.text,
            max_tokens=min(left, _MOST_NEW_TOKENS),
            seed=request.seed + done.usage["calls"],
        )
        return await within_context(self._ask, piece, _REFUSAL)

    async def _ask(self, request: CompletionRequest) -> Completion:
        """Prompt tokens are in a header only (router/src/server.rs:408); none tells the cache."""
        body = {"inputs": request.prompt, "parameters": _parameters(request)}
        answer, headers = await self._client.post_with_headers("/generate", body, _Generated)
        prompt = headers.get("x-prompt-tokens", "0").encode()
        spent = usage(
            prompt_tokens=decoded(prompt, Count, self.endpoint),
            completion_tokens=answer.details.generated_tokens,
        )
        with self._client.reading():
            tokens = [] if request.logprobs is None else answer.details.reported()
        return Completion(answer.generated_text, answer.details.ended, spent, tokens)


def _parameters(request: CompletionRequest) -> dict[str, object]:
    """The `parameters` of a request; never `presence_penalty`, which TGI turns into another one.

    `details` brings the finish reason.
    """
    asked: dict[str, object] = {
        "max_new_tokens": request.max_tokens,
        "stop": list(request.stop),
        "details": True,
        "return_full_text": False,
        "seed": request.seed,
        **_sampling(request.sampling),
    }
    if request.logprobs:
        asked["top_n_tokens"] = min(request.logprobs, _MOST_TOP_TOKENS)
    return asked


def _sampling(sampling: Sampling) -> dict[str, object]:
    """Only what is not neutral.

    Temperature 0, top_p 1 and top_k 0 are errors (router/src/validation.rs:242-280), and any of
    them present turns sampling on (231-235).
    """
    chosen: dict[str, object] = {"do_sample": sampling.temperature > 0}
    if sampling.repetition_penalty != 1:
        chosen["repetition_penalty"] = sampling.repetition_penalty
    if sampling.temperature > 0:
        chosen["temperature"] = sampling.temperature
        if sampling.top_p < 1:
            chosen["top_p"] = sampling.top_p
        if sampling.top_k > 0:
            chosen["top_k"] = sampling.top_k
    return chosen


def _joined(done: Completion, piece: Completion, stop: Sequence[str]) -> Completion:
    r"""What is done and the next piece, cut at the first stop string, wherever it is.

    The server leaves it in the text and looks for it only at the end of each token
    (server/text_generation_server/utils/tokens.py:131-139): a token such as "\n\nStep" passes.
    """
    text, found = cut_at_stop(done.text + piece.text, stop)
    return Completion(
        text=text,
        ended="separator" if found else piece.ended,
        usage=add_usage(done.usage, piece.usage),
        tokens=[*done.tokens, *piece.tokens],
        stop=found,
    )
