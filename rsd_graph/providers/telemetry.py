"""OpenTelemetry: how a model call is told, in the conventions for generative AI.

Nothing is imported for it. Who traces has loaded OpenTelemetry's API, because that is where a
tracer is configured; where nobody has, a call costs one look into a dictionary.
`rsd_graph.runtime.spans` has the spans of answers and steps.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Candidate, Message
from rsd_graph.answer.steps import action_text
from rsd_graph.errors import Role
from rsd_graph.providers.base import Models, Prefix, RewardModel, Scores, StepModel, StepRequest
from rsd_graph.providers.names import Name, public_name

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer, TracerProvider

Attributes = dict[str, str | int | float | bool | Sequence[str]]

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
"""The version of the conventions that all names here are from."""

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""Set to `true`, this variable of the environment puts what is read and written into the spans."""


def tracer_in_use() -> Tracer | None:
    """The tracer of whoever traces this process; `None` if nobody does."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None or isinstance(provider := api.get_tracer_provider(), api.ProxyTracerProvider):
        return None
    return _tracer_of(provider)


@lru_cache(maxsize=1)
def _tracer_of(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("rsd_graph", version("rsd-graph"), schema_url=SCHEMA_URL)


def trace_headers() -> dict[str, str]:
    """`traceparent`, so that what a server traces of a request joins the span that sent it."""
    headers: dict[str, str] = {}
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(headers)
    return headers


@dataclass(slots=True)
class Lap:
    """What the model calls of one node are made for.

    Attributes:
        node: The node at work.
        first: Index of the first step under decision.
        early: The calls that were made before it was known whether they are needed, by role and
            step. All laps of one answer share them: a later one uses what an earlier one began.
    """

    node: str
    first: int
    early: dict[tuple[Role, int], SpanContext] = field(default_factory=dict)

    def note(self, role: Role, step: int, call: Span) -> None:
        """Remember a call that runs ahead; one that does not stands in for those that did."""
        self.early.pop((role, step), None)
        if step > self.first if role == "draft" else (role, self.node) == ("target", "score"):
            call.set_attribute("rsd.speculative", True)
            self.early[role, step] = call.get_span_context()


lap_at_work: ContextVar[Lap | None] = ContextVar("rsd_lap", default=None)
"""The lap that the current task works for; look-ahead and hedges keep the one that began them."""


def observed(models: Models) -> Models:
    """The same models, whose calls are told to OpenTelemetry while somebody traces."""
    draft, target = _StepModel(models.draft, "draft"), _StepModel(models.target, "target")
    return Models(draft, target, _RewardModel(models.prm))


class _Observed:
    """A model in its seat; it is still called by its own name."""

    def __init__(self, model: object, role: Role, operation: str) -> None:
        self.public_name: Name = public_name(model)
        self.endpoint = getattr(model, "endpoint", None)
        self._role = role
        self._operation = getattr(model, "operation", operation)

    @contextmanager
    def _call(self, tracer: Tracer, step: int, more: Attributes) -> Iterator[Span]:
        """Around one call."""
        lap = lap_at_work.get()
        told = self._attributes() | {"rsd.step.index": step} | more
        with span_of(tracer, f"{self._operation} {self.public_name.model}", told) as span:
            if lap is not None:
                lap.note(self._role, step, span)
            yield span

    def _attributes(self) -> Attributes:
        told: Attributes = {
            "gen_ai.operation.name": self._operation,
            "gen_ai.provider.name": self.public_name.provider,
            "gen_ai.request.model": self.public_name.model,
            "rsd.role": self._role,
        }
        place = urlsplit(str(self.endpoint or ""))
        if place.hostname and "," not in place.netloc:  # of several servers, any may be asked
            told["server.address"] = place.hostname
            told["server.port"] = place.port or (443 if place.scheme == "https" else 80)
        return told


class _StepModel(_Observed):
    def __init__(self, model: StepModel, role: Literal["draft", "target"]) -> None:
        super().__init__(model, role, "text_completion")
        self._model = model

    async def write_step(self, request: StepRequest) -> Candidate:
        """See `StepModel.write_step`."""
        tracer = tracer_in_use()
        if tracer is None:
            return await self._model.write_step(request)
        with self._call(tracer, len(request.prefix.steps), _asked(request)) as span:
            candidate = await self._model.write_step(request)
            reason: Attributes = {"gen_ai.response.finish_reasons": [candidate["ended"]]}
            span.set_attributes(_used(candidate["usage"]) | reason)
            if captures_content():
                span.set_attributes(_content(request.prefix, candidate))
            return candidate


class _RewardModel(_Observed):
    def __init__(self, model: RewardModel) -> None:
        super().__init__(model, "prm", "rsd.score")
        self._model = model

    @property
    def reward_range(self) -> tuple[float, float]:
        """The PRM's own."""
        return self._model.reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`."""
        tracer = tracer_in_use()
        if tracer is None:
            return await self._model.score(prefix, candidates)
        with self._call(tracer, len(prefix.steps), {"rsd.candidates": len(candidates)}) as span:
            scores = await self._model.score(prefix, candidates)
            span.set_attributes(_used(scores.usage))
            return scores


@contextmanager
def span_of(tracer: Tracer, name: str, attributes: Attributes) -> Iterator[Span]:
    """A client's span around a call; of an error it says the kind, which quotes nobody."""
    from opentelemetry.trace import SpanKind

    with tracer.start_as_current_span(
        name,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except BaseException as error:
            failed(span, error)
            raise


def failed(span: Span, error: BaseException) -> None:
    """Say how *span* failed; what was cancelled, or asks a human by LangGraph's way, has not."""
    from opentelemetry.trace import StatusCode

    is_cancelled = isinstance(error, asyncio.CancelledError | GeneratorExit)
    if is_cancelled or type(error).__module__.startswith("langgraph."):
        span.set_attribute("rsd.cancelled", is_cancelled)
        return
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)


def captures_content() -> bool:
    """Whether prompts and completions may stand in spans."""
    return os.environ.get(CONTENT, "").lower() in ("true", "1", "span_only", "span_and_event")


def _asked(request: StepRequest) -> Attributes:
    sampling = request.sampling
    return {
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.top_k": sampling.top_k,
        "gen_ai.request.seed": request.seed,
    }


def _used(spent: Usage) -> Attributes:
    return {
        "gen_ai.usage.input_tokens": spent["prompt_tokens"],
        "gen_ai.usage.output_tokens": spent["completion_tokens"],
        "gen_ai.usage.cache_read.input_tokens": spent["cached_tokens"],
    }


def _content(prefix: Prefix, candidate: Candidate) -> Attributes:
    said = Message(role="assistant", content=action_text(candidate))
    so_far = [Message(role="assistant", content=prefix.text)] if prefix.text else []
    read = [_parts(message) for message in (*prefix.conversation, *so_far)]
    written = {**_parts(said), "finish_reason": candidate["ended"]}
    return {
        "gen_ai.input.messages": json.dumps(read, ensure_ascii=False),
        "gen_ai.output.messages": json.dumps([written], ensure_ascii=False),
    }


def _parts(message: Mapping[str, object] | Message) -> dict[str, object]:
    parts = [{"type": "text", "content": message["content"]}]
    return {"role": message["role"], "parts": parts}
