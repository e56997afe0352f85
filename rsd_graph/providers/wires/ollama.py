"""Ollama, by its native `/api/generate` in raw mode. Read in the sources of Ollama v0.33.0-rc2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Ended, Message
from rsd_graph.errors import CapabilityError, ContextOverflowError
from rsd_graph.providers.facts import ServerFacts, own_sampling
from rsd_graph.providers.http.answers import Count, Shape
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, cut_at_stop
from rsd_graph.providers.wires.ends import Ends, ask_again, cannot_tell, checked
from rsd_graph.providers.wires.local_template import TemplatedWire
from rsd_graph.providers.wires.templates import ChatTemplate


class _Generated(Shape):
    """`prompt_eval_count` includes what the cache held (llm/llama_server.go:1511)."""

    response: str
    done: bool
    done_reason: Literal["stop", "length"] | None = None
    prompt_eval_count: Count = 0
    eval_count: Count = 0


class _Shown(Shape):
    model_info: dict[str, object] = Field(default_factory=dict)
    parameters: str = ""


class _DebugInfo(Shape):
    rendered_template: str


class _Rendered(Shape):
    debug_info: _DebugInfo | None = Field(None, alias="_debug_info")


class OllamaWire(TemplatedWire):
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
        super().__init__(endpoint, template)
        self._num_ctx = num_ctx
        self._ends = checked(ends)

    async def describe(self) -> ServerFacts:
        """See `Described.describe`: what `/api/show` tells of the model and its Modelfile.

        The context is what we ask for, at most what the model was trained for.
        """
        model = self.endpoint.model
        shown = await self._client.post("/api/show", {"model": model}, _Shown)
        told = [v for name, v in shown.model_info.items() if name.endswith(".context_length")]
        context = min([self._num_ctx, *(length for length in told if isinstance(length, int))])
        return ServerFacts((model,), context, _parameters(shown.parameters), self._bos)

    async def render(self, conversation: Sequence[Message]) -> str:
        """The conversation by the caller's template, or by Ollama's debug route.

        Raises:
            CapabilityError: There is no template and this version does not render
                (server/routes.go:2708).
        """
        if self._template is not None:
            return await super().render(conversation)
        body = {
            "model": self.endpoint.model,
            "messages": list(conversation),
            "stream": False,
            "truncate": False,
            "options": {"num_ctx": self._num_ctx},
            "_debug_render_only": True,
        }
        rendered = await self._client.post("/api/chat", body, _Rendered)
        if rendered.debug_info is None:
            raise self.endpoint.error(
                CapabilityError,
                "this version of Ollama does not render a conversation without answering it.",
                expected="Ollama 0.33, or template=...",
            )
        return rendered.debug_info.rendered_template

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue the prompt.

        Raises:
            CapabilityError: There are stop strings, and guessing which end was met is not allowed.
            ContextOverflowError: The prompt fills `num_ctx`.
        """
        if request.stop and self._ends == "refuse":
            raise cannot_tell(self.endpoint)
        first = await self._one(request)
        if not request.stop or first.ended != "eos":
            return first
        return await ask_again(self._one, request, first)

    async def _one(self, request: CompletionRequest) -> Completion:
        """One exchange; with stop strings, `"eos"` may be either end."""
        answer = await self._client.post("/api/generate", self._body(request), _Generated)
        if not answer.done:
            # llm/llama_server.go:1700: more than 30 equal tokens in a row.
            raise self._client.malformed("Ollama gave up on a text that repeats one token")
        text, found = cut_at_stop(answer.response, request.stop)
        ended = "separator" if found else self._ended(answer, request)
        return Completion(text, ended, self._spent(answer), stop=found)

    def _ended(self, answer: _Generated, request: CompletionRequest) -> Ended:
        """Short of the budget, "length" means that the context is full."""
        if answer.done_reason is None:
            raise self._client.malformed("there is no done_reason")
        if answer.done_reason == "stop":
            return "eos"
        return "length" if answer.eval_count >= request.max_tokens else "context"

    def _spent(self, answer: _Generated) -> Usage:
        """Versions that do not know `truncate` cut a long prompt to the context without a word."""
        prompt = answer.prompt_eval_count
        if prompt >= self._num_ctx - 1:
            raise self.endpoint.error(
                ContextOverflowError,
                f"the prompt fills the context ({prompt} of {self._num_ctx} tokens); "
                "Ollama may have cut it.",
                expected="a prompt well below num_ctx",
                hint="Raise num_ctx, which is asked of Ollama with every request.",
            )
        return usage(prompt_tokens=prompt, completion_tokens=answer.eval_count)

    def _body(self, request: CompletionRequest) -> dict[str, object]:
        """`truncate` and `shift` off: no prompt is cut and no context slides silently."""
        if request.logprobs is not None:
            raise self.endpoint.error(
                CapabilityError,
                "log-probabilities are not read from Ollama.",
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

    def _options(self, request: CompletionRequest) -> dict[str, object]:
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
    found = re.findall(r"^(\w+)[ \t]+(-?\d+(?:\.\d+)?)$", modelfile, re.MULTILINE | re.ASCII)
    return own_sampling({name: float(value) for name, value in found})
