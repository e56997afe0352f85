"""OpenInference's tracer, as Phoenix and others use it: what it makes of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("openinference.instrumentation.langchain")

from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rsd_graph import ChatRSD
from rsd_graph.answer.ledger import usage
from rsd_graph.providers.base import Prefix, Scores
from tests.helpers.chat_support import RewardByText, functional

TOKENS = "llm.token_count."


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What the instrumentor tells, and nobody else."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = LangChainInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()
    provider.shutdown()


def counted(spans: InMemorySpanExporter) -> dict[str, int]:
    """The tokens of all spans together, by kind."""
    sums: dict[str, int] = {}
    for span in spans.get_finished_spans():
        for name, value in (span.attributes or {}).items():
            if name.startswith(TOKENS):
                kind = name.removeprefix(TOKENS)
                sums[kind] = sums.get(kind, 0) + int(str(value))
    return sums


class CachingPRM(RewardByText):
    """A PRM whose server had read all but one of its tokens before."""

    async def score(self, prefix: Prefix, candidates: Any) -> Scores:
        scores = await super().score(prefix, candidates)
        return Scores(scores.rewards, usage(prompt_tokens=10, cached_tokens=9))


@pytest.mark.parametrize("prm", [RewardByText(), CachingPRM()], ids=["uncached", "cached"])
@pytest.mark.parametrize("how", ["invoke", "stream"])
def test_every_token_is_counted_once(spans: InMemorySpanExporter, prm: Any, how: str) -> None:
    """All spans together have the tokens of the answer: cached ones are in the prompt's."""
    model = functional(prm=prm)

    answer: Any = model.invoke("q") if how == "invoke" else sum_of(model)

    told = answer.usage_metadata
    cached = told["input_token_details"]["cache_read"]
    expected = {
        "prompt": told["input_tokens"],
        "completion": told["output_tokens"],
        "total": told["total_tokens"],
    }
    found = counted(spans)
    assert {kind: found[kind] for kind in expected} == expected
    assert found.get("prompt_details.cache_read", 0) == cached


def sum_of(model: ChatRSD) -> Any:
    """A stream's chunks, joined."""
    first, *others = model.stream("q")
    for chunk in others:
        first += chunk
    return first


def test_only_the_answer_is_a_model_call(spans: InMemorySpanExporter) -> None:
    """Nodes are parts of a chain, with their models' names and no tokens; nothing is an agent."""
    functional().invoke("q")

    told = [(span.name, span.attributes or {}) for span in spans.get_finished_spans()]
    kinds = {str(attributes["openinference.span.kind"]) for _, attributes in told}
    assert kinds == {"CHAIN", "LLM"}
    assert [name for name, said in told if said["openinference.span.kind"] == "LLM"] == ["ChatRSD"]
    assert [name for name, said in told if f"{TOKENS}total" in said] == ["ChatRSD"]


def test_beside_our_own_spans(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own names for tokens: whoever adds up one kind counts each once."""
    own, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(own))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    answer = functional().invoke("q")

    ours = sum(
        int(str((span.attributes or {}).get(f"gen_ai.usage.{kind}_tokens", 0)))
        for span in own.get_finished_spans()
        for kind in ("input", "output")
    )
    assert answer.usage_metadata is not None
    assert (ours, counted(spans)["total"]) == (answer.usage_metadata["total_tokens"],) * 2
    provider.shutdown()
