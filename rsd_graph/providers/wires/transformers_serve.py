"""`transformers serve`, by `/v1/completions`. Read in transformers 5.23.0 (cli/serving/)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rsd_graph.answer.state import Ended, Message
from rsd_graph.errors import CapabilityError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, cut_at_stop
from rsd_graph.providers.wires.completions_api import named, read_usage
from rsd_graph.providers.wires.local_template import LocalTemplate
from rsd_graph.providers.wires.templates import ChatTemplate


class TransformersServeWire:
    """`POST /v1/completions`; only the fields this server takes, or it answers 422 (utils.py:1107).

    The separator is left in the text, which tells it from the end of the answer. There is no
    tokenizer route, no cache report, no log-probability, and no check of the context: a prompt
    beyond it is answered with nonsense, so keep `Limits` below it.

    Args:
        endpoint: Where; `model` is the very name or path the server was started with, or empty.
        template: The model's chat template; needed to render. The server encodes every prompt with
            special tokens (completion.py:100), so a BOS that would come twice is cut.
    """

    def __init__(self, endpoint: Endpoint, *, template: ChatTemplate | None = None) -> None:
        self._client = Client(endpoint)
        self._template = LocalTemplate(endpoint, template, self.complete)

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        return self._client.endpoint

    async def describe(self) -> ServerFacts:
        """See `Described.describe`; it tells nothing, and does not list the model it serves."""
        await self._client.get("/health")
        return ServerFacts(bos=self._template.bos)

    async def render(self, conversation: Sequence[Message]) -> str:
        """The conversation by the caller's template.

        Raises:
            CapabilityError: There is no template.
        """
        return await self._template.render(conversation)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue the prompt.

        Raises:
            CapabilityError: Log-probabilities were asked for; this server has none.
        """
        if request.logprobs is not None:
            raise CapabilityError(
                "this server does not report log-probabilities.",
                role=self.endpoint.role,
                endpoint=str(self.endpoint),
                expected="a server that does, such as vLLM",
            )
        answer = await self._client.post("/v1/completions", self._body(request))
        with self._client.reading():
            choice = answer["choices"][0]
            text, found = cut_at_stop(choice["text"], request.stop)
            ended = "separator" if found else self._ended(choice["finish_reason"])
            return Completion(text, ended, read_usage(answer["usage"]))

    def _ended(self, finish: str) -> Ended:
        """How a text without the separator ended.

        "length" is any text of full length (completion.py:202), even one that ends in EOS.
        """
        if finish == "stop":
            return "eos"
        if finish == "length":
            return "length"
        raise self._client.malformed(f"finish_reason {finish!r}")

    def _body(self, request: CompletionRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            "generation_config": json.dumps(_generation(request.sampling)),
        }
        if request.stop:
            body["stop"] = list(request.stop)
        return named(self.endpoint, body)


def _generation(sampling: Sampling) -> dict[str, Any]:
    """The sampling as a generation config: the only way to turn sampling on and top_k off.

    What it leaves out (EOS ids above all) comes from the model's own (generation/utils.py,
    `_prepare_generation_config`); `temperature` alone would not set `do_sample`, and top_k would be
    50 (utils.py:1152, generation/configuration_utils.py:602).
    """
    if sampling.temperature == 0:
        return {"do_sample": False, "repetition_penalty": sampling.repetition_penalty}
    return {
        "do_sample": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
    }
