"""Ollama, by its native `/api/generate` in raw mode. Read in the sources of Ollama v0.33.0-rc2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Ended, Message
from rsd_graph.errors import CapabilityError, ContextOverflowError
from rsd_graph.providers.facts import ServerFacts, own_sampling
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, cut_at_stop
from rsd_graph.providers.wires.ends import Ends, ask_again, cannot_tell, checked
from rsd_graph.providers.wires.local_template import LocalTemplate
from rsd_graph.providers.wires.templates import ChatTemplate


class OllamaWire:
    """`POST /api/generate` with `raw`: its `/v1/completions` would apply the chat template again.

    Ollama drops llama.cpp's word on whether the separator or the end of the answer was met
    (llm/llama_server.go:1713-1717), so stepwise use is refused unless `ends="ask-again"`.

    Args:
        endpoint: Where; `model` is the model's name in Ollama.
        num_ctx: Context in tokens, sent with every request: Ollama's default is small.
        template: Renders a conversation; by default Ollama is asked to render it.
        ends: What to do about ends that look the same.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        num_ctx: int = 8192,
        template: ChatTemplate | None = None,
        ends: Ends = "refuse",
    ) -> None:
        self._client = Client(endpoint)
        self._num_ctx = num_ctx
        self._template = LocalTemplate(endpoint, template, self._ask) if template else None
        self._ends = checked(ends)

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        return self._client.endpoint

    async def describe(self) -> ServerFacts:
        """See `Described.describe`: what `/api/show` tells of the model and its Modelfile.

        The context is what we ask for, at most what the model was trained for.
        """
        shown = await self._client.post("/api/show", {"model": self.endpoint.model})
        with self._client.reading():
            told = shown.get("model_info", {}).items()
            trained = [int(value) for name, value in told if name.endswith(".context_length")]
            defaults = _parameters(shown.get("parameters", ""))
        context = min([self._num_ctx, *trained])
        bos = self._template.bos if self._template else None
        return ServerFacts((self.endpoint.model,), context, defaults, bos)

    async def render(self, conversation: Sequence[Message]) -> str:
        """The conversation by the caller's template, or by Ollama's debug route.

        Raises:
            CapabilityError: There is no template and this version does not render
                (server/routes.go:2708).
        """
        if self._template is not None:
            return await self._template.render(conversation)
        body = {
            "model": self.endpoint.model,
            "messages": list(conversation),
            "stream": False,
            "truncate": False,
            "options": {"num_ctx": self._num_ctx},
            "_debug_render_only": True,
        }
        match await self._client.post("/api/chat", body):
            case {"_debug_info": {"rendered_template": str(prompt)}}:
                return prompt
        raise CapabilityError(
            "this version of Ollama does not render a conversation without answering it.",
            role=self.endpoint.role,
            endpoint=str(self.endpoint),
            expected="Ollama 0.33, or template=...",
        )

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue the prompt.

        Raises:
            CapabilityError: There are stop strings, and guessing which end was met is not allowed.
            ContextOverflowError: The prompt fills `num_ctx`.
        """
        if request.stop and self._ends == "refuse":
            raise cannot_tell(self.endpoint)
        first = await self._ask(request)
        if not request.stop or first.ended != "eos":
            return first
        return await ask_again(self._ask, request, first)

    async def _ask(self, request: CompletionRequest) -> Completion:
        """One exchange; with stop strings, `"eos"` may be either end."""
        answer = await self._client.post("/api/generate", self._body(request))
        with self._client.reading():
            if not answer["done"]:
                # llm/llama_server.go:1700: more than 30 equal tokens in a row.
                raise self._client.malformed("Ollama gave up on a text that repeats one token")
            spent = self._usage(answer)
            text, found = cut_at_stop(answer["response"], request.stop)
            reason = answer["done_reason"]
            ended = "separator" if found else self._ended(reason, request, spent)
            return Completion(text, ended, spent)

    def _ended(self, reason: str, request: CompletionRequest, spent: Usage) -> Ended:
        """Short of the budget, "length" means that the context is full."""
        if reason == "stop":
            return "eos"
        if reason != "length":
            raise self._client.malformed(f"done_reason {reason!r}")
        return "length" if spent["completion_tokens"] >= request.max_tokens else "context"

    def _usage(self, answer: Mapping[str, Any]) -> Usage:
        """`prompt_eval_count` includes what the cache held (llm/llama_server.go:1511).

        Versions that do not know `truncate` cut a long prompt to the context without a word.
        """
        prompt = int(answer.get("prompt_eval_count", 0))
        if prompt >= self._num_ctx - 1:
            raise ContextOverflowError(
                f"the prompt fills the context ({prompt} of {self._num_ctx} tokens); "
                "Ollama may have cut it.",
                role=self.endpoint.role,
                endpoint=str(self.endpoint),
                expected="a prompt well below num_ctx",
                hint="Raise num_ctx, which is asked of Ollama with every request.",
            )
        return usage(prompt_tokens=prompt, completion_tokens=int(answer.get("eval_count", 0)))

    def _body(self, request: CompletionRequest) -> dict[str, Any]:
        """`truncate` and `shift` off: no prompt is cut and no context slides silently."""
        if request.logprobs is not None:
            raise CapabilityError(
                "log-probabilities are not read from Ollama.",
                role=self.endpoint.role,
                endpoint=str(self.endpoint),
                expected="a server that reports them for completions, such as llama.cpp or vLLM",
            )
        return {
            "model": self.endpoint.model,
            "prompt": request.prompt,
            "raw": True,
            "stream": False,
            "truncate": False,
            "shift": False,
            "options": self._options(request),
        }

    def _options(self, request: CompletionRequest) -> dict[str, Any]:
        """Every sampling option, or the model's and Ollama's own leak in (api/types.go:1096)."""
        sampling = request.sampling
        return {
            "num_ctx": self._num_ctx,
            "num_predict": request.max_tokens,
            "stop": list(request.stop),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "typical_p": 1.0,
            "repeat_penalty": sampling.repetition_penalty,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            # llama.cpp's seeds have 32 bits, and the largest means "at random".
            "seed": request.seed % 2**31,
        }


def _parameters(modelfile: str) -> dict[str, float]:
    """The sampling among the Modelfile's parameters, which `/api/show` gives as lines of text."""
    found = re.findall(r"^(\w+)\s+(-?[\d.]+)$", modelfile, re.MULTILINE)
    return own_sampling({name: float(value) for name, value in found})
