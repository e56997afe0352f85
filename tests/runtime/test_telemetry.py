"""OpenTelemetry's spans of an answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from rsd_graph import ChatRSD, ServerError
from rsd_graph.chat_models import AnswerListener
from rsd_graph.providers.telemetry import CONTENT, SCHEMA_URL
from tests.helpers.chat_support import END, BlockingModel, RewardByText, functional, scripted
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_tool_server import CHAT, chat_reply


class Told:
    """The spans that have ended, as a tree."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def below(self, parent: ReadableSpan | None = None) -> list[Any]:
        """Name and children of each span below *parent*."""
        context = parent and parent.context
        return [
            (span.name, self.below(span)) if self.below(span) else span.name
            for span in self.spans
            if (span.parent and span.parent.span_id) == (context and context.span_id)
        ]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Somebody traces this process."""
    spans = Told()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
    yield spans
    spans.provider.shutdown()


DRAFT = "text_completion FunctionStepModel"
SCORE = "rsd.score RewardByText"


@pytest.mark.parametrize("is_sync", [False, True])
async def test_an_answer_is_a_tree_of_steps_and_calls(told: Told, is_sync: bool) -> None:
    """One span an answer, one a step, one a model call, below whatever span is current."""
    model = functional()

    with told.provider.get_tracer("app").start_as_current_span("app"):
        await asyncio.to_thread(model.invoke, "q") if is_sync else await model.ainvoke("q")

    good, bad = ("rsd.step", [DRAFT, SCORE]), ("rsd.step", [DRAFT, SCORE, DRAFT])
    assert told.below() == [("app", [("invoke_workflow rsd", [good, bad, good])])]


async def test_the_reward_is_an_evaluation_of_its_step(told: Told) -> None:
    """An event with the PRM's reward and the verdict."""
    await functional().ainvoke("q")

    events = [span.events for span in told.named("rsd.step")]
    assert [event.name for of_step in events for event in of_step] == [
        "gen_ai.evaluation.result"
    ] * 3
    assert [dict(of_step[0].attributes or {}) for of_step in events[:2]] == [
        {
            "gen_ai.evaluation.name": "prm_reward",
            "gen_ai.evaluation.score.value": 0.9,
            "gen_ai.evaluation.score.label": "accepted",
        },
        {
            "gen_ai.evaluation.name": "prm_reward",
            "gen_ai.evaluation.score.value": 0.1,
            "gen_ai.evaluation.score.label": "rejected",
        },
    ]


async def test_the_calls_tokens_are_the_ledgers(told: Told) -> None:
    """Only calls have the conventions' token counts, so that nobody counts them twice."""
    answer = await functional().ainvoke("q")

    counts: dict[str, int] = {"draft": 0, "target": 0, "prm": 0}
    for span in told.spans:
        attributes = span.attributes or {}
        if "gen_ai.usage.output_tokens" in attributes:
            counts[str(attributes["rsd.role"])] += int(
                str(attributes["gen_ai.usage.output_tokens"])
            )
    ledger = answer.response_metadata["rsd"]["ledger"]
    assert counts == {role: ledger[role]["completion_tokens"] for role in counts}


AHEAD = {
    "look-ahead": (lambda: scripted(["a", "b", END], [0.9] * 3, lookahead=1), [1, 2], "draft"),
    "hedge": (lambda: functional(hedge=0.0), [1], "target"),
}


@pytest.mark.parametrize(("make", "steps", "role"), AHEAD.values(), ids=AHEAD)
async def test_a_step_links_to_the_early_call_that_wrote_it(
    told: Told, make: Any, steps: list[int], role: str
) -> None:
    """Look-ahead and hedge are calls begun before they were needed, marked as such."""
    await make().ainvoke("q")

    calls = {span.context.span_id: span.attributes or {} for span in told.spans if span.context}
    links = [
        ((span.attributes or {})["rsd.step.index"], calls[link.context.span_id])
        for span in told.named("rsd.step")
        for link in span.links
    ]
    assert [index for index, _ in links] == steps
    assert {(call["rsd.role"], call["rsd.speculative"]) for _, call in links} == {(role, True)}


async def test_a_failure_names_its_kind_and_quotes_nobody(told: Told) -> None:
    """Call, step and answer have failed; what the server said is in none of them."""
    with pytest.raises(ServerError):
        await scripted([ServerError("the secret prompt")], []).ainvoke("q")

    failed = [(span.attributes or {}).get("error.type") for span in told.spans]
    assert failed == ["ServerError"] * 3
    assert {span.status.status_code for span in told.spans} == {StatusCode.ERROR}
    assert "secret" not in "".join(span.to_json() for span in told.spans)


async def test_what_is_cancelled_has_not_failed(told: Told) -> None:
    """An answer nobody waits for: its spans end, and say so."""
    end: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    model = ChatRSD(draft=BlockingModel(), target=BlockingModel(), prm=RewardByText())
    stream: Any = model.astream("q", {"callbacks": [AnswerListener(on_end=end.set_result)]})
    await anext(stream)

    await stream.aclose()
    await end

    assert [span.name for span in told.spans][:1] == ["invoke_workflow rsd"]
    assert {span.status.status_code for span in told.spans} == {StatusCode.UNSET}


async def test_content_only_if_asked(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither prompts nor completions stand in the spans, unless a variable says so."""
    await functional().ainvoke("a secret")
    before = "".join(span.to_json() for span in told.spans)
    monkeypatch.setenv(CONTENT, "true")
    await functional().ainvoke("a secret")
    after = "".join(span.to_json() for span in told.spans)

    assert ("secret" in before, "first" in before) == (False, False)
    assert ("secret" in after, "first" in after) == (True, True)


async def test_calls_over_http_name_model_and_server(told: Told) -> None:
    """And every request carries the span it belongs to."""
    async with FakeEndpoint() as server:
        server.script(CHAT, (200, chat_reply("Done.")))
        spec = f"chat+{server.url}/v1#acme/small"
        tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
        await ChatRSD(draft=spec, target=spec, prm=RewardByText()).bind(tools=tools).ainvoke("q")
        sent = [headers["traceparent"] for _, headers, _ in server.requests]

    (call,) = told.named("chat acme/small")
    attributes = call.attributes or {}
    assert attributes["gen_ai.provider.name"] == "chat"
    assert attributes["server.address"] == "127.0.0.1"
    assert call.context is not None
    assert [header.split("-")[2] for header in sent] == [f"{call.context.span_id:016x}"]


async def test_of_several_servers_none_is_named(told: Told) -> None:
    """Any of them may have been asked."""
    async with FakeEndpoint({CHAT: chat_reply("It is 7.")}) as server:
        served = f"chat+{server.url},127.0.0.1:9/v1#m"
        await ChatRSD(draft=served, target=served, prm=RewardByText()).ainvoke("q")

    calls = told.named("chat m")
    assert calls
    assert not any("server.address" in (call.attributes or {}) for call in calls)


async def test_tokens_have_the_name_of_their_own_model(told: Told) -> None:
    """So that a price list can price each: no other span has the conventions' counts."""
    async with FakeEndpoint({CHAT: chat_reply("It is wrong.")}) as server:
        spec = f"chat+{server.url}/v1"
        model = ChatRSD(draft=f"{spec}#small", target=f"{spec}#large", prm=RewardByText())
        ledger = (await model.ainvoke("q")).response_metadata["rsd"]["ledger"]

    written: dict[str, int] = {}
    for span in told.spans:
        attributes = span.attributes or {}
        if "gen_ai.usage.output_tokens" in attributes:
            name = str(attributes["gen_ai.request.model"])
            written[name] = written.get(name, 0) + int(
                str(attributes["gen_ai.usage.output_tokens"])
            )
    assert written == {
        "small": ledger["draft"]["completion_tokens"],
        "RewardByText": ledger["prm"]["completion_tokens"],
        "large": ledger["target"]["completion_tokens"],
    }


NAMES = {
    "error.type",
    "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.label",
    "gen_ai.evaluation.score.value",
    "gen_ai.input.messages",
    "gen_ai.operation.name",
    "gen_ai.output.messages",
    "gen_ai.provider.name",
    "gen_ai.request.max_tokens",
    "gen_ai.request.model",
    "gen_ai.request.seed",
    "gen_ai.request.temperature",
    "gen_ai.request.top_k",
    "gen_ai.request.top_p",
    "gen_ai.response.finish_reasons",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "server.address",
    "server.port",
}
"""What we use of `SCHEMA_URL`'s names, as its registry spells them."""


async def test_no_name_is_made_up(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attribute is one of the conventions, at the pinned version, or begins with `rsd.`."""
    monkeypatch.setenv(CONTENT, "true")
    async with FakeEndpoint({CHAT: chat_reply("It is 7.")}) as server:
        spec = f"chat+{server.url}/v1#m"
        await ChatRSD(draft=spec, target=spec, prm=RewardByText(), hedge=0.0).ainvoke("q")
    with pytest.raises(ServerError):
        await scripted([ServerError("gone")], []).ainvoke("q")

    said = [span.attributes or {} for span in told.spans]
    said += [event.attributes or {} for span in told.spans for event in span.events]
    assert {name for one in said for name in one if not name.startswith("rsd.")} == NAMES


async def test_the_schema_is_pinned(told: Told) -> None:
    """Whoever reads the spans knows by which version of the conventions."""
    await functional().ainvoke("q")

    assert {span.instrumentation_scope.schema_url for span in told.spans} == {SCHEMA_URL}


UNTRACED = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "opentelemetry":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from tests.helpers.chat_support import functional
print(functional().invoke("q").text.split()[-1], "opentelemetry" in sys.modules)
"""


def test_without_opentelemetry_nothing_is_missed() -> None:
    """Where it is not installed, or not loaded, nothing is imported."""
    ran = subprocess.run([sys.executable, "-c", UNTRACED], capture_output=True, text=True)

    assert ran.stdout == "q False\n"
