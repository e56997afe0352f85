"""SGLang, by `/v1/completions`. Read in the sources of SGLang 0.5.23 (paths below sglang/srt)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rsd_graph.answer.state import Ended, Message
from rsd_graph.errors import ServerError
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from rsd_graph.providers.wires.completions_api import (
    Choice,
    CompletionsWire,
    full_sampling,
    within_context,
)

_REFUSAL = re.compile(
    r"context length of (?P<limit>\d+) tokens\..*?: (?P<prompt>\d+) tokens from the input"
)
"""managers/tokenizer_manager.py:1372: prompt and max_tokens beyond the context are an error."""


class SGLangWire(CompletionsWire):
    """`POST /v1/completions`, which says what it stopped at; the template by `/tokenize`."""

    async def prompt_ids(self, prompt: str) -> Sequence[int]:
        """See `Tokenizing.prompt_ids`; completions are encoded with special tokens."""
        return await self._tokenize(prompt=prompt, add_special_tokens=True)

    async def render(self, conversation: Sequence[Message]) -> str:
        """The templated conversation, as the server tokenizes it for a chat.

        `/tokenize` takes messages (entrypoints/openai/serving_tokenize.py:54); without
        `add_generation_prompt` they are rendered ready for the answer (protocol.py:1763). A text
        prompt is encoded with special tokens, so a BOS that would come twice is cut. Special tokens
        are left out of texts by default (protocol.py:1809).
        """
        tokens = await self._tokenize(messages=list(conversation))
        prompt = await self._detokenize(tokens, skip_special_tokens=False)
        encoded = await self.prompt_ids(prompt)
        if len(encoded) > len(tokens) and encoded[:2] == tokens[:1] * 2:
            opening = await self._detokenize(tokens[:1], skip_special_tokens=False)
            return prompt.removeprefix(opening)
        return prompt

    async def complete(self, request: CompletionRequest) -> Completion:
        """See `CompletionWire.complete`."""
        return await within_context(self._one, request, _REFUSAL)

    async def _one(self, request: CompletionRequest) -> Completion:
        """`no_stop_trim` false leaves the stop string out of the text."""
        done, _ = await self._ask(request, no_stop_trim=False, **full_sampling(request.sampling))
        return done

    def _ended(self, choice: Choice, stop: Sequence[str]) -> Ended | None:
        """A text that is not ours ("NaN happened", schedule_batch.py:1989) is no step."""
        ended = super()._ended(choice, stop)
        if ended is None and choice.matched_stop is not None:
            raise self.endpoint.error(
                ServerError,
                f"the generation broke off at {choice.matched_stop!r}.",
                hint="See the server's log.",
            )
        return ended or "eos"
