"""What LangChain's tracers see of an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.context import collect_runs
from langchain_core.tracers.schemas import Run
from langsmith import tracing_context

from rsd_graph import ChatRSD, EndpointConnectionError, candidate, initial_state
from rsd_graph.answer.ledger import empty_ledger, usage
from rsd_graph.chat_models import AnswerListener
from rsd_graph.providers.scripted import ScriptedRewardModel, ScriptedStepModel
from tests.helpers.chat_support import END, BlockingModel, RewardByText, functional, scripted
from tests.helpers.scripted import Scripted

ROLES = {"draft": "draft", "score": "prm", "target": "target"}


class Tracer(BaseTracer):
    """Keeps every trace there is."""

    def __init__(self) -> None:
        super().__init__()
        self.traces: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.traces.append(run)


def spans(run: Run) -> Iterator[Run]:
    """A run and all below it."""
    yield run
    for child in run.child_runs:
        yield from spans(child)


def names(run: Run) -> list[tuple[str, str]]:
    """Name and parent of every span but the first."""
    return [(child.name, above.name) for above in spans(run) for child in above.child_runs]


async def asked(model: ChatRSD, way: str, tracer: Tracer) -> None:
    """Ask the model one of the ways LangChain has."""
    config: Any = {"callbacks": [tracer]}
    match way:
        case "invoke":
            model.invoke("q", config)
        case "ainvoke":
            await model.ainvoke("q", config)
        case "stream":
            list(model.stream("q", config))
        case "astream":
            [chunk async for chunk in model.astream("q", config)]
        case "astream_events":
            [event async for event in model.astream_events("q", config, version="v2")]
        case "streaming":
            ChatRSD(**{**model.said(), "streaming": True}).invoke("q", config)


WAYS = ["invoke", "ainvoke", "stream", "astream", "astream_events", "streaming"]


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_is_one_trace_however_it_is_asked(way: str) -> None:
    """The graph is below the chat model, and the nodes below the graph."""
    tracer = Tracer()

    await asked(scripted([END], [0.9]), way, tracer)

    (trace,) = tracer.traces
    assert trace.run_type == "llm"
    assert names(trace) == [
        ("rsd", "ChatRSD"),
        ("begin", "rsd"),
        ("draft", "rsd"),
        ("score", "rsd"),
        ("accept", "rsd"),
    ]


@pytest.mark.parametrize("streamed", [False, True])
async def test_inside_a_chain_it_is_one_trace_too(streamed: bool) -> None:
    """Tags and metadata of the caller reach the spans, names of the chat model do not."""
    tracer = Tracer()
    chain = RunnableLambda(lambda question: question) | functional()
    config: Any = {"callbacks": [tracer], "tags": ["mine"], "metadata": {"user": "u"}}

    _ = [chunk async for chunk in chain.astream("q", config)] if streamed else None
    _ = None if streamed else await chain.ainvoke("q", config)

    (trace,) = tracer.traces
    inside = [span for span in spans(trace) if span.name in ("begin", *ROLES)]
    assert {"mine" in (span.tags or []) for span in inside} == {True}
    assert {span.metadata["user"] for span in inside} == {"u"}
    assert {"ls_temperature" in span.metadata for span in inside} == {False}


class Small(ScriptedStepModel):
    endpoint = "http://gpu1.internal:8000/v1#acme/small-1b"


class Large(ScriptedStepModel):
    endpoint = "http://gpu2.internal:8000/v1#acme/large-70b"


class Judge(ScriptedRewardModel):
    endpoint = "http://gpu3.internal:8000/v1#acme/judge-7b"


async def test_each_span_has_the_name_of_its_own_model() -> None:
    """As its server calls it, without the host."""
    tracer = Tracer()
    model = ChatRSD(draft=Small(["wrong"]), target=Large([END]), prm=Judge([0.1]))

    await model.ainvoke("q", {"callbacks": [tracer]})

    (trace,) = tracer.traces
    named = {span.name: span.metadata.get("ls_model_name") for span in spans(trace)}
    assert named == {
        "ChatRSD": "acme/large-70b",
        "rsd": None,
        "begin": None,
        "draft": "acme/small-1b",
        "score": "acme/judge-7b",
        "target": "acme/large-70b",
    }
    assert "gpu" not in json.dumps([span.metadata for span in spans(trace)])


@pytest.mark.parametrize("options", [{}, {"lookahead": 3, "hedge": 0.0}], ids=["plain", "early"])
async def test_the_spans_tokens_add_up_to_the_ledger(options: dict[str, Any]) -> None:
    """Each node has what it spent, look-ahead and hedges too; only the chat model is an LLM."""
    tracer = Tracer()

    answer = await functional(**options).ainvoke("q", {"callbacks": [tracer]})

    (trace,) = tracer.traces
    spent = [span.outputs.get("spent", {}) for span in spans(trace) if span.outputs]
    ledger = answer.response_metadata["rsd"]["ledger"]
    counted = [name for name in empty_ledger() if name not in ("draft", "target", "prm")]
    assert {name: sum(part.get(name, 0) for part in spent) for name in counted} == {
        name: ledger[name] for name in counted
    }
    for role in ("draft", "target", "prm"):
        of_role = [part[role]["completion_tokens"] for part in spent if role in part]
        assert sum(of_role) == ledger[role]["completion_tokens"]
    assert [span.name for span in spans(trace) if span.run_type == "llm"] == ["ChatRSD"]


def size(run: Run) -> int:
    """Characters of a trace, as a tracer would send it."""
    told = [(s.name, s.inputs, s.outputs, s.extra, s.events) for s in spans(run)]
    return len(json.dumps(told, default=str))


async def traced_size(steps: int) -> int:
    tracer = Tracer()
    text = "A step of usual length, with some forty tokens in it, as models write them. " * 2
    script = [*(f"{number}: {text}" for number in range(steps - 1)), END]
    model = scripted(script, [0.9] * steps, max_tokens=10**6)
    await model.ainvoke("What is 3 + 4?", {"callbacks": [tracer]})
    return size(tracer.traces[0])


async def test_a_trace_grows_with_the_answer_not_with_its_square() -> None:
    """From 5 to 20 to 80 steps, a step adds as many characters to a trace as any other."""
    sizes = [await traced_size(steps) for steps in (5, 20, 80)]

    first, second = (sizes[1] - sizes[0]) / 15, (sizes[2] - sizes[1]) / 60
    assert second < 1.1 * first
    assert sizes[2] < 80 * 10_000


async def test_a_bare_graph_is_traced_the_same() -> None:
    """Whoever runs the graph itself sees its nodes, and what they spent."""
    tracer = Tracer()
    graph = Scripted(["wrong"], [0.1], [END]).graph.compile()

    await graph.ainvoke(initial_state("q"), {"callbacks": [tracer]})

    spent = {span.name: span.outputs.get("spent", {}) for span in spans(tracer.traces[0])}
    assert spent["target"]["target"]["completion_tokens"] == 1
    assert "steps" not in tracer.traces[0].child_runs[-1].inputs


# -- what models ask inside ---------------------------------------------------------------------


class Nested:
    """A draft that asks another chat model."""

    def __init__(self) -> None:
        self.inner = functional()

    async def write_step(self, request: Any) -> Any:
        message = await self.inner.ainvoke("inner")
        return candidate(message.text, "eos", cost=usage(completion_tokens=5))


async def test_handlers_found_by_a_context_variable_hear_the_answer_once() -> None:
    """A usage callback counts one model, a run collector one run."""
    model = functional(draft=Nested(), target=Nested())

    with get_usage_metadata_callback() as callback, collect_runs() as collected:
        answer = await model.ainvoke("q")

    assert list(callback.usage_metadata.values()) == [answer.usage_metadata]
    assert [run.name for run in collected.traced_runs] == ["ChatRSD"]


class LangSmith(Tracer):
    """Stands in for LangSmith's tracer, which LangChain makes for every run that has none yet."""

    roots: ClassVar[list[str]] = []

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def copy_with_metadata_defaults(self, **_: Any) -> LangSmith:
        return self

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run.name)


async def test_langsmith_sees_one_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model asks inside is no root beside the answer."""
    monkeypatch.setattr("langchain_core.tracers.langchain.LangChainTracer", LangSmith)

    with tracing_context(enabled=True):
        await functional(draft=Nested(), target=Nested()).ainvoke("q")

    assert LangSmith.roots == ["ChatRSD"]


# -- listeners ----------------------------------------------------------------------------------


def test_a_listener_hears_of_each_step_and_of_the_end() -> None:
    """By the callbacks of a call, in a chain, too."""
    events: list[Any] = []
    ends: list[Any] = []
    listener = AnswerListener(events.append, ends.append)

    (RunnableLambda(lambda question: question) | functional()).invoke(
        "q", {"callbacks": [listener]}
    )

    kinds = [event["type"].removeprefix("step_") for event in events]
    assert kinds[:4] == ["drafted", "scored", "accepted", "settled"]
    assert [ledger["accepted_steps"] for ledger in ends] == [2]


def test_a_listener_hears_what_a_failed_answer_cost() -> None:
    """Once, as of any other answer."""
    ends: list[Any] = []
    model = scripted(["first", EndpointConnectionError("gone.")], [0.9])

    with pytest.raises(EndpointConnectionError):
        model.invoke("q", {"callbacks": [AnswerListener(on_end=ends.append)]})

    assert [ledger["draft"]["completion_tokens"] for ledger in ends] == [1]


async def test_a_listener_hears_what_an_abandoned_answer_cost() -> None:
    """Once the stream is closed."""
    end: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    model = ChatRSD(draft=BlockingModel(), target=BlockingModel(), prm=RewardByText())
    stream: Any = model.astream("q", {"callbacks": [AnswerListener(on_end=end.set_result)]})

    await anext(stream)
    await stream.aclose()

    assert (await end)["draft"]["completion_tokens"] == 1
