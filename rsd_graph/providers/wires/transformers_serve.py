"""`transformers serve`, by `/v1/completions`. Read in transformers 5.23.0 (cli/serving/)."""

from __future__ import annotations

import json

from rsd_graph.errors import CapabilityError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from rsd_graph.providers.wires.completions_api import CompletionsWire
from rsd_graph.providers.wires.local_template import TemplatedWire
from rsd_graph.providers.wires.templates import ChatTemplate


class TransformersServeWire(TemplatedWire, CompletionsWire):
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
        super().__init__(endpoint, template)

    async def describe(self) -> ServerFacts:
        """See `Described.describe`; it tells nothing, and does not list the model it serves."""
        await self._client.get("/health", dict[str, object])
        return ServerFacts(bos=self._bos)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue the prompt.

        Raises:
            CapabilityError: Log-probabilities were asked for; this server has none.
        """
        if request.logprobs is not None:
            raise self.endpoint.error(
                CapabilityError,
                "this server does not report log-probabilities.",
                expected="a server that does, such as vLLM",
            )
        return await self._one(request)

    async def _one(self, request: CompletionRequest) -> Completion:
        """Without the separator, "stop" is the end of the answer; "length" is any text of full
        length (completion.py:202), even one that ends in EOS.
        """
        sampling = json.dumps(_generation(request.sampling))
        done, _ = await self._ask(request, generation_config=sampling)
        return done


def _generation(sampling: Sampling) -> dict[str, object]:
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
