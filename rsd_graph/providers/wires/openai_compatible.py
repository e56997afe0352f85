"""Any server with OpenAI's `/v1/completions`: a LiteLLM proxy, a gateway, what has no wire here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from rsd_graph.providers.wires.completions_api import CompletionsWire, openai_sampling
from rsd_graph.providers.wires.ends import Ends, ask_again, cannot_tell, checked
from rsd_graph.providers.wires.local_template import TemplatedWire
from rsd_graph.providers.wires.templates import ChatTemplate

_EXTRA: Mapping[str, object] = MappingProxyType(
    {"include_stop_str_in_output": True, "add_special_tokens": False}
)


class OpenAICompatibleWire(TemplatedWire, CompletionsWire):
    """`POST /v1/completions` of a server nobody told us more about.

    How a text ended is believed from, in this order: the separator in the text itself, a
    `matched_stop` (SGLang) or `stop_reason` (vLLM) beside `finish_reason`. A bare "stop" is
    ambiguous and refused, or guessed with `ends="ask-again"`.

    Args:
        endpoint: Where.
        template: Renders a conversation; there is no common route for it.
        ends: What to do where the separator and the end of the answer look the same.
        extra: Fields beyond OpenAI's. By default the separator is asked for in the text and a
            second BOS forbidden, in vLLM's words; servers that do not know these ignore them. Pass
            `{}` for one that refuses unknown fields.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        template: ChatTemplate | None = None,
        ends: Ends = "refuse",
        extra: Mapping[str, object] = _EXTRA,
    ) -> None:
        super().__init__(endpoint, template)
        self._ends = checked(ends)
        self._extra = dict(extra)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue the prompt.

        Raises:
            CapabilityError: The server did not say how the text ended, and guessing is not allowed.
        """
        completion, is_certain = await self._sampled(request)
        if is_certain:
            return completion
        if self._ends == "refuse":
            raise cannot_tell(self.endpoint)
        return await ask_again(self._one, request, completion)

    async def _one(self, request: CompletionRequest) -> Completion:
        return (await self._sampled(request))[0]

    async def _sampled(self, request: CompletionRequest) -> tuple[Completion, bool]:
        """OpenAI's sampling fields in full, others only where they are not neutral."""
        return await self._ask(request, **openai_sampling(request.sampling), **self._extra)
