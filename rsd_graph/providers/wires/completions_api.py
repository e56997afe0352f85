"""What servers with routes shaped like OpenAI's have in common."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import AliasChoices, Field

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Ended
from rsd_graph.errors import CapabilityError, ContextOverflowError, ServerError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.http.answers import Count, ListOf, LogProbabilities, LogProbability, Shape
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, Token, cut_at_stop

Complete = Callable[[CompletionRequest], Awaitable[Completion]]


class CacheReport(Shape):
    """How much of a prompt the server did not compute again; null is not zero."""

    cached_tokens: Count | None = None


class ReportedUsage(Shape):
    """OpenAI's usage object."""

    prompt_tokens: Count
    completion_tokens: Count | None = None
    prompt_tokens_details: CacheReport | None = None

    @property
    def spent(self) -> Usage:
        """The same as ours; a server that says nothing about its cache leaves it unknown."""
        report = self.prompt_tokens_details or CacheReport()
        return counted(self.prompt_tokens, self.completion_tokens or 0, report.cached_tokens)


def counted(prompt: int, completion: int, cached: int | None) -> Usage:
    """The usage of one call; more cached tokens than prompt tokens say nothing about the cache."""
    known = cached if cached is not None and cached <= prompt else None
    return usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=known)


class Logprobs(Shape):
    """Log-probabilities of generated tokens, and of their rivals."""

    tokens: ListOf[str] | None = None
    token_logprobs: ListOf[LogProbability] | None = None
    top_logprobs: ListOf[LogProbabilities | None] | None = None


class PromptToken(Shape):
    """A token of the prompt, as vLLM reports it."""

    decoded_token: str
    logprob: LogProbability


class Choice(Shape):
    """A generated text, and what servers add to it."""

    text: str
    finish_reason: str
    stop_reason: str | int | None = None
    """vLLM's: the stop string, null at the first EOS, an id at another (0.33.0,
    v1/core/sched/utils.py:98-140)."""
    matched_stop: str | int | None = None
    """SGLang's: the stop string, an id at any EOS (0.5.23, managers/schedule_batch.py:1856)."""
    logprobs: Logprobs | None = None
    prompt_logprobs: ListOf[dict[str, PromptToken] | None] | None = None

    def tokens(self) -> list[Token]:
        """The generated tokens.

        Raises:
            ValueError: There is not one number for each.
        """
        report = self.logprobs or Logprobs()
        texts, logprobs = report.tokens or [], report.token_logprobs or []
        tops = report.top_logprobs or [None] * len(texts)
        return [
            Token(text, logprob, {**(top or {}), text: logprob})
            for text, logprob, top in zip(texts, logprobs, tops, strict=True)
        ]

    def stopped_at(self, stop: Sequence[str]) -> Ended | None:
        """What ended a text whose finish reason is "stop"; `None` if the server does not tell."""
        matched = self.stop_reason if self.matched_stop is None else self.matched_stop
        if isinstance(matched, str):
            return "separator" if matched in stop else None
        is_told = matched is not None or "stop_reason" in self.model_fields_set
        return "eos" if is_told or not stop else None


class CompletionsAnswer(Shape):
    """What `/v1/completions` answers."""

    choices: Annotated[ListOf[Choice], Field(min_length=1)]
    usage: ReportedUsage


class TokenIds(Shape):
    """What `/tokenize` answers."""

    tokens: ListOf[Count]


class Text(Shape):
    """What `/detokenize` (vLLM a prompt, SGLang a text) and `/apply-template` answer."""

    text: str = Field(validation_alias=AliasChoices("prompt", "text"))


class Rows(Shape):
    """Numbers for one input: in rows, or flat where each row has one."""

    numbers: ListOf[float | ListOf[float]] = Field(
        validation_alias=AliasChoices("data", "probs", "embedding")
    )


class PoolingAnswer(Shape):
    """What `/pooling`, `/classify` and `/v1/embeddings` answer to one input."""

    data: Annotated[ListOf[Rows], Field(min_length=1, max_length=1)]
    usage: ReportedUsage

    @property
    def rows(self) -> list[list[float]]:
        """The rows of numbers."""
        return [row if isinstance(row, list) else [row] for row in self.data[0].numbers]


class CompletionsWire(Served):
    """A wire over `/v1/completions`, with `/tokenize` and `/detokenize` where a server has them."""

    async def _ask(self, request: CompletionRequest, **own: object) -> tuple[Completion, bool]:
        """The server's answer to *request* and *own* fields of its dialect, sampling among them;
        and whether it is certain how the text ended.
        """
        body = {"prompt": request.prompt, "max_tokens": request.max_tokens, "seed": request.seed}
        body |= {"stop": list(request.stop)} if request.stop else {}
        body |= {} if request.logprobs is None else {"logprobs": request.logprobs}
        answer = await self._completions(body | own)
        choice = answer.choices[0]
        text, found = cut_at_stop(choice.text, request.stop)
        ended = "separator" if found else self._ended(choice, request.stop)
        told = choice.stop_reason if choice.matched_stop is None else choice.matched_stop
        stop = found or (told if isinstance(told, str) else "")
        if request.logprobs is not None and text and not (choice.logprobs or Logprobs()).tokens:
            raise self.endpoint.error(
                CapabilityError,
                "this server was asked for log-probabilities and reported none.",
                expected="the log-probability of each token it wrote",
                hint="Is it a server, or a proxy, that leaves them out? Take logprobs=on away.",
            )
        with self._client.reading():
            tokens = choice.tokens()
        done = Completion(text, ended or "eos", answer.usage.spent, tokens, stop=stop)
        return done, ended is not None

    async def _completions(self, body: dict[str, object]) -> CompletionsAnswer:
        named_body = named(self.endpoint, body)
        return await self._client.post("/v1/completions", named_body, CompletionsAnswer)

    def _ended(self, choice: Choice, stop: Sequence[str]) -> Ended | None:
        """How the text ended; `None` if the server does not tell."""
        if choice.finish_reason == "length":
            return "length"
        if choice.finish_reason == "abort":
            words, hint = "the server aborted the request.", "See the server's log."
            raise self.endpoint.error(ServerError, words, hint=hint)
        if choice.finish_reason != "stop":
            raise self._client.malformed(f"finish_reason {choice.finish_reason!r}")
        return choice.stopped_at(stop)

    async def _tokenize(self, **body: object) -> list[int]:
        return (await self._client.post("/tokenize", named(self.endpoint, body), TokenIds)).tokens

    async def _detokenize(self, tokens: Sequence[int], **own: object) -> str:
        body = named(self.endpoint, {"tokens": list(tokens), **own})
        return (await self._client.post("/detokenize", body, Text)).text


def named(endpoint: Endpoint, body: dict[str, object]) -> dict[str, object]:
    """The body with the model's name, which servers of a single model may do without."""
    return {"model": endpoint.model, **body} if endpoint.model else body


def openai_sampling(sampling: Sampling) -> dict[str, object]:
    """All fields that every server of this API knows; those only some know where they matter."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        **dict(_known_to_some(sampling) - _known_to_some(Sampling())),
    }


def full_sampling(sampling: Sampling) -> dict[str, object]:
    """Every field of vLLM and SGLang: what is left out, generation_config.json decides."""
    all_of_it = {**openai_sampling(sampling), **dict(_known_to_some(sampling))}
    return {**all_of_it, "top_k": sampling.top_k or -1}


def _known_to_some(sampling: Sampling) -> set[tuple[str, float]]:
    return {(n, getattr(sampling, n)) for n in ("top_k", "min_p", "repetition_penalty")}


def common_prefix(before: Sequence[object], whole: Sequence[object]) -> int:
    """How many leading tokens both have."""
    pairs = zip(before, whole, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before), len(whole)))


async def within_context(
    complete: Complete, request: CompletionRequest, refusal: re.Pattern[str]
) -> Completion:
    """Complete, for servers that refuse a budget beyond their context instead of clipping it.

    The refusal says how long the prompt is, so no prompt is ever counted beforehand: one request
    that costs no generation, only where a context really ends. A text cut there ended in
    `"context"`.

    Args:
        complete: One exchange with the server.
        request: What to complete.
        refusal: Matches the server's refusal, with groups `limit` and `prompt` (tokens).

    Raises:
        ContextOverflowError: The prompt alone is too long.
    """
    try:
        return await complete(request)
    except ContextOverflowError as error:
        match = refusal.search(error.message)
        room = int(match["limit"]) - int(match["prompt"]) if match else 0
        if not 0 < room < request.max_tokens:
            raise
    clipped = await complete(replace(request, max_tokens=room))
    return replace(clipped, ended="context") if clipped.ended == "length" else clipped
