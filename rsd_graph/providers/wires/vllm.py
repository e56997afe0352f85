"""vLLM's `/v1/completions`, and every OpenAI-compatible server that reports `stop_reason`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Ended, Message
from rsd_graph.errors import CapabilityError, ModelNotFoundError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import (
    Completion,
    CompletionRequest,
    Token,
    log_probability_within,
)
from rsd_graph.providers.wires.completions_api import (
    Choice,
    CompletionsWire,
    common_prefix,
    full_sampling,
)
from rsd_graph.providers.wires.ends import cannot_tell
from rsd_graph.providers.wires.templates import ChatTemplate

_AS_WRITTEN = {
    "n": 1,
    "stream": False,
    "echo": False,
    "add_special_tokens": False,  # the template wrote them
    "include_stop_str_in_output": False,
}


class VLLMWire(CompletionsWire):
    """Continues text over `POST /v1/completions`; follows the sources of vLLM 0.33.

    Everything is said: what a request leaves out, the model's generation_config.json decides.

    Args:
        endpoint: Where vLLM serves the model.
        template: The model's chat template, for servers without `/tokenize`. By default the server
            renders: `/tokenize` with messages, then `/detokenize`.
    """

    def __init__(self, endpoint: Endpoint, template: ChatTemplate | None = None) -> None:
        super().__init__(endpoint)
        self._template = template
        self._round_trip_checked = False

    async def prompt_ids(self, prompt: str) -> Sequence[int]:
        """See `Tokenizing.prompt_ids`."""
        return await self._tokenize(prompt=prompt, add_special_tokens=False)

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionWire.complete`."""
        done, _ = await self._ask(request, **_AS_WRITTEN, **full_sampling(request.sampling))
        # vLLM silently clamps max_tokens to the room that is left.
        clamped = done.ended == "length" and done.usage["completion_tokens"] < request.max_tokens
        return replace(done, ended="context") if clamped else done

    def _ended(self, choice: Choice, stop: Sequence[str]) -> Ended | None:
        ended = super()._ended(choice, stop)
        if ended is None:
            raise cannot_tell(self.endpoint, choice.stop_reason)
        return ended

    async def render(self, conversation: Sequence[Message]) -> str:
        """See `CompletionWire.render`.

        Raises:
            CapabilityError: The server's tokenizer cannot give the rendered text back.
        """
        if self._template is not None:
            return self._template.render(conversation)
        try:
            ids = await self._tokenize(messages=list(conversation), add_generation_prompt=True)
        except ModelNotFoundError as error:
            error.hint = (
                "Check the model name. A server without /tokenize needs the model's chat template: "
                "VLLMWire(endpoint, ChatTemplate.load('tokenizer_config.json'))."
            )
            raise
        prompt = await self._detokenize(ids)
        await self._check_round_trip(prompt, ids)
        return prompt

    async def _check_round_trip(self, prompt: str, ids: Sequence[int]) -> None:
        """Once per wire: the rendered text must read as the tokens the template made."""
        if not self._round_trip_checked and await self.prompt_ids(prompt) != ids:
            raise self.endpoint.error(
                CapabilityError,
                "its tokenizer does not give the rendered chat template back exactly.",
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
        body = {"prompt": whole, "prompt_logprobs": 0, "max_tokens": 1, "seed": 0}
        body |= {**_AS_WRITTEN, **full_sampling(Sampling())}
        answer = await self._completions(body)
        rows = answer.choices[0].prompt_logprobs or []
        with self._client.reading():
            pairs = zip(whole[start:], rows[start:], strict=True)
            told = [(row or {})[str(token_id)] for token_id, row in pairs]
        tokens = [Token(token.decoded_token, token.logprob) for token in told]
        return log_probability_within(text, tokens), answer.usage.spent
