"""vLLM's `/v1/completions`, and every OpenAI-compatible server that reports `stop_reason`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Ended, Message
from rsd_graph.errors import CapabilityError, ModelNotFoundError, ServerError
from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import (
    Completion,
    CompletionRequest,
    Token,
    log_probability_within,
)
from rsd_graph.providers.wires.completions_api import (
    common_prefix,
    named,
    openai_sampling,
    read_usage,
    reported_tokens,
)
from rsd_graph.providers.wires.templates import ChatTemplate


class VLLMWire:
    """Continues text over `POST /v1/completions`; follows the sources of vLLM 0.33.

    Args:
        endpoint: Where vLLM serves the model.
        template: The model's chat template, for servers without `/tokenize`. By default the server
            renders: `/tokenize` with messages, then `/detokenize`.
    """

    def __init__(self, endpoint: Endpoint, template: ChatTemplate | None = None) -> None:
        self._client = Client(endpoint)
        self._template = template
        self._round_trip_checked = False

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        return self._client.endpoint

    async def describe(self) -> ServerFacts:
        """See `Described.describe`. vLLM tells nobody what its generation_config.json says."""
        return await listed_models(self._client)

    async def prompt_ids(self, prompt: str) -> Sequence[int]:
        """See `Tokenizing.prompt_ids`."""
        return await self._tokenize({"prompt": prompt, "add_special_tokens": False})

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionWire.complete`."""
        answer = await self._client.post("/v1/completions", self._named(_body(request)))
        with self._client.reading():
            choice, spent = answer["choices"][0], read_usage(answer["usage"])
            return Completion(
                text="" + choice["text"],  # null is refused
                ended=self._ended(choice, request, spent["completion_tokens"]),
                usage=spent,
                tokens=reported_tokens(choice),
            )

    def _ended(self, choice: Mapping[str, Any], request: CompletionRequest, tokens: int) -> Ended:
        """What ended the text; `stop_reason` alone cannot tell (it is null for EOS and length)."""
        finish, stop = choice["finish_reason"], choice.get("stop_reason")
        if finish == "stop":
            if isinstance(stop, str) and stop in request.stop:
                return "separator"
            if isinstance(stop, str) or (request.stop and "stop_reason" not in choice):
                raise self._cannot_tell(stop)
            return "eos"  # None is the model's first EOS, an int one of its others
        if finish == "length":
            # vLLM silently clamps max_tokens to the room that is left
            return "length" if tokens >= request.max_tokens else "context"
        if finish == "abort":
            raise ServerError(
                "the server aborted the request.",
                role=self.endpoint.role,
                endpoint=str(self.endpoint),
                hint="See the server's log.",
            )
        raise self._client.malformed(f"finish_reason {finish!r}")

    def _cannot_tell(self, stop: str | None) -> CapabilityError:
        return CapabilityError(
            f"the server does not say whether our stop string or the model ended the text "
            f"(stop_reason: {stop!r}).",
            role=self.endpoint.role,
            endpoint=str(self.endpoint),
            expected="a stop_reason that is the stop string, null, or a token id, as vLLM reports",
            hint="Name this server's own provider, such as llamacpp+http:// or tgi+http://.",
        )

    async def render(self, conversation: Sequence[Message]) -> str:
        """See `CompletionWire.render`.

        Raises:
            CapabilityError: The server's tokenizer cannot give the rendered text back.
        """
        if self._template is not None:
            return self._template.render(conversation)
        body = {"messages": list(conversation), "add_generation_prompt": True}
        try:
            ids = await self._tokenize(body)
        except ModelNotFoundError as error:
            error.hint = (
                "Check the model name. A server without /tokenize needs the model's chat template: "
                "VLLMWire(endpoint, ChatTemplate.load('tokenizer_config.json'))."
            )
            raise
        answer = await self._client.post("/detokenize", self._named({"tokens": ids}))
        with self._client.reading():
            prompt = str(answer["prompt"])
        await self._check_round_trip(prompt, ids)
        return prompt

    async def _check_round_trip(self, prompt: str, ids: Sequence[int]) -> None:
        """Once per wire: the rendered text must read as the tokens the template made."""
        if self._round_trip_checked:
            return
        if await self.prompt_ids(prompt) != ids:
            raise CapabilityError(
                "its tokenizer does not give the rendered chat template back exactly.",
                role=self.endpoint.role,
                endpoint=str(self.endpoint),
                hint="Pass the model's chat template: ChatTemplate.load('tokenizer_config.json').",
            )
        self._round_trip_checked = True

    async def log_probability(
        self, prompt: str, text: str, followed_by: str = ""
    ) -> tuple[float, Usage]:
        """Log-probability of *text* after *prompt*, at temperature 1 and without penalties.

        Both are tokenised by the server and sent as token ids. Where a token spans the end of the
        prompt, the text is scored from that token on. vLLM reads no prefix cache for this.
        """
        before = await self.prompt_ids(prompt)
        whole = await self.prompt_ids(prompt + text + followed_by)
        start = max(1, common_prefix(before, whole))
        body = _body(CompletionRequest("", max_tokens=1))
        body |= {"prompt": whole, "prompt_logprobs": 0}
        answer = await self._client.post("/v1/completions", self._named(body))
        with self._client.reading():
            rows = answer["choices"][0]["prompt_logprobs"]
            pairs = zip(whole[start:], rows[start:], strict=True)
            tokens = [_prompt_token(row[str(token_id)]) for token_id, row in pairs]
            return log_probability_within(text, tokens), read_usage(answer["usage"])

    async def _tokenize(self, body: dict[str, Any]) -> list[int]:
        answer = await self._client.post("/tokenize", self._named(body))
        with self._client.reading():
            return [int(token_id) for token_id in answer["tokens"]]

    def _named(self, body: dict[str, Any]) -> dict[str, Any]:
        return named(self.endpoint, body)


def _body(request: CompletionRequest) -> dict[str, Any]:
    """Everything is said: what a request leaves out, the model's generation_config.json decides."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "prompt": request.prompt,
        "max_tokens": request.max_tokens,
        "stop": list(request.stop),
        "seed": request.seed,
        "n": 1,
        "stream": False,
        "echo": False,
        "add_special_tokens": False,  # the template wrote them
        "include_stop_str_in_output": False,
        **openai_sampling(sampling),
        "top_k": sampling.top_k or -1,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
    }
    if request.logprobs is not None:
        body["logprobs"] = request.logprobs
    return body


def _prompt_token(row: Mapping[str, Any]) -> Token:
    return Token(str(row["decoded_token"]), float(row["logprob"]))
