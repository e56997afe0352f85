"""Chat templates rendered on our side of the wire, and the BOS token that must not come twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rsd_graph.answer.state import Message
from rsd_graph.errors import CapabilityError
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from rsd_graph.providers.wires.templates import ChatTemplate


class TemplatedWire(Served):
    """Renders for a server that has no route for it and tokenizes text its own way.

    A template may write the BOS token that the server also adds. Whether it does is measured once:
    the BOS alone, sent as a prompt for one token, is counted as one token or as two.

    Args:
        endpoint: Where the server is.
        template: The model's chat template.
    """

    def __init__(self, endpoint: Endpoint, template: ChatTemplate | None) -> None:
        super().__init__(endpoint)
        self._template = template
        self._server_adds_bos: bool | None = None

    @property
    def _bos(self) -> str | None:
        """The template's BOS token; empty if it names none, `None` without a template."""
        return self._template.special_tokens.get("bos_token", "") if self._template else None

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return replace(await super().describe(), bos=self._bos)

    async def render(self, conversation: Sequence[Message]) -> str:
        """The prompt of *conversation*, ready for the answer and for this server.

        Raises:
            CapabilityError: There is no template.
        """
        if self._template is None:
            raise self.endpoint.error(
                CapabilityError,
                "this server does not tell how its chat template renders a conversation.",
                expected="the model's chat template",
                hint='Pass template=ChatTemplate.load("tokenizer_config.json").',
            )
        prompt = self._template.render(conversation)
        if (bos := self._bos) and prompt.startswith(bos) and await self._adds(bos):
            return prompt.removeprefix(bos)
        return prompt

    async def _adds(self, bos: str) -> bool:
        if self._server_adds_bos is None:
            counted = await self._one(CompletionRequest(bos, max_tokens=1))
            self._server_adds_bos = counted.usage["prompt_tokens"] > 1
        return self._server_adds_bos

    async def _one(self, request: CompletionRequest) -> Completion:
        """One exchange with the server."""
        raise NotImplementedError
