"""Canaries in the key, the question and the steps, looked for in everything that leaves us.

The key stands nowhere. Questions and steps stand where they are asked to be kept, never in a log.
"""

from __future__ import annotations

import json
import logging
import pickle
import random
import sqlite3
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from pydantic import SecretStr
from structlog.testing import capture_logs
from typer.testing import CliRunner

from rsd_graph import (
    ChatRSD,
    Endpoint,
    Prefix,
    RetryPolicy,
    RSDError,
    StepRequest,
    create_rsd_graph,
    initial_state,
)
from rsd_graph.answer.state import Message
from rsd_graph.cli import app
from rsd_graph.providers.telemetry import CONTENT
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.chaos.server import WorldServer
from tests.chaos.stacks import PRMS, WRITERS, Stack
from tests.chaos.world import KEY, question

WORDS = "apples"
"""In every question and in every step."""


class Tracer(BaseCallbackHandler):
    """Keeps all that a tracer is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("on_"):
            return super().__getattribute__(name)
        return lambda *args, **kwargs: self.told.append(f"{name} {args!r} {kwargs!r}")


async def test_whatever_happens_no_canary_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """Every wire under faults, some of which quote the key: logs, errors, traces, pickles."""
    caplog.set_level(logging.DEBUG)
    dice, tracer, shown, failed = random.Random(3), Tracer(), list[str](), 0
    with WorldServer(seed=4) as server, capture_logs() as logs:
        server.rate = 0.5
        for number, (writer, prm) in enumerate(zip([*WRITERS, *WRITERS], PRMS, strict=False)):
            stack = Stack(writer, dice.choice(list(WRITERS)), prm)
            models = stack.models(server.url, timeout=30, in_flight=4)
            chat = ChatRSD(**vars_of(models), lookahead=2, hedge=0.3, api_key=SecretStr(KEY))
            shown += [repr(chat), str(chat), *map(repr, vars_of(models).values())]
            for offset in range(3):
                try:
                    asked = question(10 * number + offset)
                    answer = await chat.ainvoke(asked, {"callbacks": [tracer]})
                    shown.append(repr(answer))
                except RSDError as error:
                    failed += 1
                    shown += ["".join(traceback.format_exception(error)), repr(vars(error))]
                    shown.append(pickle.dumps(error).decode("latin-1"))

    everything = [*shown, *tracer.told, *map(repr, logs), caplog.text]
    assert failed > 10
    assert len(tracer.told) > 100
    assert [text for text in everything if KEY in text] == []
    assert [line for line in (*map(repr, logs), caplog.text) if WORDS in line] == []


async def test_a_key_in_an_address_stays_there(caplog: pytest.LogCaptureFixture) -> None:
    """As user, password or query of an `Endpoint`, which sends but never shows it."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    with WorldServer(seed=7) as server, capture_logs() as logs:
        server.rate = 0.5
        for before in (f"{KEY}@", f"user:{KEY}@", f":{KEY}@"):
            url = server.url.replace("//", f"//{before}") + "/vllm/draft"
            endpoint = Endpoint(f"{url}?token={KEY}", "m", "draft", retry=RetryPolicy(attempts=1))
            model = HostedModel(VLLMWire(endpoint))
            shown += [repr(model), repr(endpoint), pickle.dumps(endpoint).decode("latin-1")]
            for number in range(8):
                asked = Prefix([Message(role="user", content=question(number))])
                try:
                    shown.append(repr(await model.write_step(StepRequest(asked, max_tokens=64))))
                except RSDError as error:
                    shown += ["".join(traceback.format_exception(error)), repr(vars(error))]

    everything = [*shown, *map(repr, logs), caplog.text]
    assert len(shown) > 24
    assert [text for text in everything if KEY in text] == []


@pytest.mark.parametrize(
    "spec",
    [
        *(f"vllm+http://{before}@host:1/v1#m" for before in (KEY, f"u:{KEY}", f":{KEY}")),
        *(f"vllm+http://host:1/v1?{name}={KEY}#m" for name in ("api_key", "token", "temperature")),
        f"vllm+http://host:1/v1?k={KEY}&k={KEY}#m",
        f"vllm+http://host:1/v1?think={KEY}&think=x#m",
        f"nobody+http://host:1/v1?key={KEY}#m",
        f"qwen-prm+vllm+http://host:1/v1?key={KEY}#m",
        f"http://host:1/v1?key={KEY}#m",
    ],
)
def test_a_key_in_an_endpoint_string_is_refused_and_not_shown(spec: str) -> None:
    """Whatever else is wrong with the string."""
    with pytest.raises(RSDError) as refused:
        ChatRSD(draft=spec, target="vllm+http://host:1/v1#m", prm="qwen-prm+vllm+http://host:1#m")

    told = "".join(traceback.format_exception(refused.value)) + repr(vars(refused.value))
    assert KEY not in told


async def test_spans_hold_no_key_and_words_only_where_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenTelemetry, under faults: attributes, events, statuses and the headers that are sent."""
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    told: dict[str, list[str]] = {}
    with WorldServer(seed=8) as server:
        server.rate = 0.3
        for captured in ("false", "true"):
            monkeypatch.setenv(CONTENT, captured)
            for number, writer in enumerate(WRITERS):
                models = Stack(writer, "vllm", "qwen-prm").models(server.url, 30, 4)
                with suppress(RSDError):
                    await ChatRSD(**vars_of(models), api_key=SecretStr(KEY)).ainvoke(
                        question(number)
                    )
            told[captured] = [str(span.to_json()) for span in exporter.get_finished_spans()]
            exporter.clear()
    provider.shutdown()

    assert min(map(len, told.values())) > 10
    assert [text for spans in told.values() for text in spans if KEY in text] == []
    assert [WORDS in "".join(told[captured]) for captured in ("false", "true")] == [False, True]


def vars_of(models: Any) -> dict[str, Any]:
    """The three by role."""
    return {role: getattr(models, role) for role in ("draft", "target", "prm")}


async def test_a_checkpoint_holds_the_answer_and_no_key(tmp_path: Path) -> None:
    """Of an answer whose models are asked with a key."""
    pytest.importorskip("langgraph.checkpoint.sqlite")
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    database = tmp_path / "checkpoints.sqlite"
    with WorldServer(seed=5) as server:
        models = Stack("vllm", "tgi", "pure").models(server.url, timeout=30, in_flight=4)
        async with AsyncSqliteSaver.from_conn_string(str(database)) as saver:
            graph = create_rsd_graph(**vars_of(models)).compile(checkpointer=saver)
            thread: Any = {"configurable": {"thread_id": "one"}}
            await graph.ainvoke(initial_state(question(1)), thread)

    with sqlite3.connect(database) as connection:
        kept = "\n".join(connection.iterdump())
    connection.close()
    dumped = "".join(file.read_bytes().decode("latin-1") for file in tmp_path.iterdir())
    assert KEY not in kept + dumped
    assert WORDS in dumped


def test_files_and_terminals_of_commands_hold_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers, journals, calibrations, the report and the page of runs with a key.

    The key is in the environment. Pages hold questions and steps: they are there to be read.
    """
    monkeypatch.setenv("RSD_API_KEY", KEY)
    rows = [{"question": question(n), "answer": str(n)} for n in range(2)]
    asked = tmp_path / "asked.jsonl"
    asked.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with WorldServer(seed=6) as server:
        url = server.url
        prm = f"qwen-prm+vllm+{url}/vllm-last/prm#m"
        seats = ["--draft", f"vllm+{url}/vllm/draft#m", "--target", f"vllm+{url}/vllm/target#m"]
        seats += ["--prm", prm]
        commands = [
            f"batch {asked} {tmp_path}/answers.jsonl",
            f"calibrate {asked} --confidence 0.5 --target-share 0.5 --out {tmp_path}/delta.json",
            f"eval --dataset {asked} --judge {prm} --arms rsd --journal {tmp_path}/journal.jsonl "
            f"--report {tmp_path}/report.html",
        ]
        for command in [*([*text.split(), *seats] for text in commands), _view(tmp_path)]:
            found = CliRunner().invoke(app, command)
            assert (found.exit_code, KEY in found.output) == (0, False), found.exception

    written = {f.name: f.read_bytes().decode("latin-1") for f in tmp_path.rglob("*") if f.is_file()}
    assert {"answers.jsonl", "delta.json", "journal.jsonl"} <= written.keys()
    assert [name for name, text in written.items() if KEY in text] == []
    assert [WORDS in written[page] for page in ("report.html", "page.html")] == [True, True]


def _view(folder: Path) -> list[str]:
    return ["view", str(folder / "answers.jsonl"), "--out", str(folder / "page.html")]
