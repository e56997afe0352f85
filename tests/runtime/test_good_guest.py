"""A chat model inside somebody's program leaves that program as it was."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, get_usage_metadata_callback
from langchain_core.language_models import (
    BaseChatModel,
    FakeListChatModel,
    GenericFakeChatModel,
)
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END as HOST_END
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph

from rsd_graph import ChatRSD, Endpoint, StepRequest, candidate
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.scripted import FunctionStepModel
from rsd_graph.providers.wires.chat import ChatStepModel
from tests.helpers.chat_support import END, RewardByText, functional, scripted

ANSWER = "first\n\nsecond\n\nso: q"
STEPS = ["first", "\n\nsecond", "\n\nso: q", ""]


def host(model: BaseChatModel, **options: Any) -> CompiledStateGraph[Any]:
    """A host graph whose only node asks *model*."""

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_edge(START, "think")
    graph.add_edge("think", HOST_END)
    return graph.compile(**options)


def streaming_host(model: BaseChatModel) -> CompiledStateGraph[Any]:
    """A host graph whose node streams from *model*."""

    async def think(state: MessagesState) -> dict[str, Any]:
        chunks = [chunk async for chunk in model.astream(state["messages"])]
        return {"messages": [sum(chunks[1:], chunks[0])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_edge(START, "think")
    graph.add_edge("think", HOST_END)
    return graph.compile()


QUESTION = {"messages": [("user", "q")]}
HOSTS = pytest.mark.parametrize("make", [host, streaming_host], ids=["ainvoke", "astream"])


# -- no limits, checkpoints or updates of the host's -------------------------------------------


@pytest.mark.parametrize("limit", [None, 5], ids=["LangChain's default", "explicit"])
async def test_the_hosts_recursion_limit_never_bites(limit: int | None) -> None:
    """Forty steps fit into a chain or graph that allows a handful of supersteps."""
    config: Any = {"recursion_limit": limit} if limit else {}
    letters = [f"step {number}" for number in range(40)]

    def long() -> ChatRSD:
        return scripted([*letters, END], [0.9] * 41)

    chain = RunnableLambda(lambda question: question) | long() | StrOutputParser()

    assert (await chain.ainvoke("q", config)).count("step") == 40
    result = await host(long()).ainvoke(QUESTION, config)
    assert result["messages"][-1].content.count("step") == 40


async def test_the_hosts_thread_gets_no_extra_checkpoints() -> None:
    """A checkpointed host stores what it would store with any other model."""
    config: Any = {"configurable": {"thread_id": "1"}}
    counts = []
    for model in (FakeListChatModel(responses=["x"]), functional()):
        saver = InMemorySaver()
        await host(model, checkpointer=saver).ainvoke(QUESTION, config)
        counts.append([saved.metadata["step"] async for saved in saver.alist(None)])

    assert counts[0] == counts[1]


@HOSTS
@pytest.mark.parametrize("mode", ["updates", "values", "custom", "tasks"])
async def test_the_hosts_streams_show_nothing_of_the_inside(make: Any, mode: str) -> None:
    """`subgraphs=True` shows the host's own node and none of draft, score, accept, target."""
    reference = make(FakeListChatModel(responses=["x"]))
    expected = [ns async for ns, _ in reference.astream(QUESTION, stream_mode=mode, subgraphs=True)]

    events = make(functional()).astream(QUESTION, stream_mode=mode, subgraphs=True)

    assert [namespace async for namespace, _ in events] == expected


@HOSTS
async def test_the_hosts_messages_stream_shows_each_step_once(make: Any) -> None:
    """`stream_mode="messages"` streams the settled steps of the answer, once."""
    events = make(functional()).astream(QUESTION, stream_mode="messages")

    shown = [chunk.content async for chunk, _ in events]

    assert [text for text in shown if text] == ["first", "\n\nsecond", "\n\nso: q"]


async def test_a_host_task_of_the_functional_api_is_left_alone() -> None:
    """Inside `@entrypoint` and `@task` nothing of the inside is stored or streamed."""
    model = functional()

    @task
    async def think(question: str) -> str:
        return str((await model.ainvoke(question)).content)

    @entrypoint(checkpointer=InMemorySaver())
    async def workflow(question: str) -> str:
        return await think(question)

    config: Any = {"configurable": {"thread_id": "1"}}
    events = [event async for event in workflow.astream("q", config, stream_mode="updates")]

    assert events == [{"think": ANSWER}, {"workflow": ANSWER}]


# -- events, traces and usage ------------------------------------------------------------------


async def events_v2(runnable: Any, question: Any) -> list[dict[str, Any]]:
    return [event async for event in runnable.astream_events(question, version="v2")]


@HOSTS
async def test_astream_events_show_one_chat_model_and_settled_text_only(make: Any) -> None:
    """To `astream_events` v2 it is one chat model that streams the settled steps."""
    events = await events_v2(make(functional()), QUESTION)

    started = [event["name"] for event in events if event["event"] == "on_chat_model_start"]
    shown = [e["data"]["chunk"].content for e in events if e["event"] == "on_chat_model_stream"]
    assert started == ["ChatRSD"]
    assert "".join(shown) == ANSWER


async def test_astream_events_of_a_chain_stream_the_steps() -> None:
    """A chain's own stream is the settled steps, as they come."""
    chain = ChatPromptTemplate.from_template("{x}") | functional() | StrOutputParser()

    events = await events_v2(chain, {"x": "q"})

    shown = [
        event["data"]["chunk"]
        for event in events
        if event["event"] == "on_chain_stream" and event["name"] == "RunnableSequence"
    ]
    assert shown == STEPS


@pytest.mark.filterwarnings("ignore:.*in beta:langchain_core._api.LangChainBetaWarning")
async def test_v3_events_show_settled_text_only() -> None:
    """LangChain's event protocol v3 streams the settled steps and ends in the whole message."""
    stream = await functional().astream_events("q", version="v3")
    shown = [text async for text in stream.text]
    message = await stream.output

    assert [text for text in shown if text] == ["first", "\n\nsecond", "\n\nso: q"]
    assert message.text == ANSWER
    assert [step["source"] for step in message.response_metadata["rsd"]["steps"]] == [
        "draft",
        "target",
        "draft",
    ]


ROUTERS = {"accept_or_reject", "continue_or_finish"}


class RunTree(AsyncCallbackHandler):
    """Who ran below whom: what a tracer draws."""

    def __init__(self) -> None:
        self.names: dict[UUID, str] = {}
        self.parents: list[tuple[str, str | None]] = []

    async def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self._note(kwargs["name"], kwargs["run_id"], kwargs["parent_run_id"])

    async def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self._note(serialized["name"], kwargs["run_id"], kwargs["parent_run_id"])

    def _note(self, name: str, run_id: UUID, parent: UUID | None) -> None:
        self.names[run_id] = name
        self.parents.append((name, self.names.get(parent) if parent else None))


async def test_the_trace_nests_the_graph_below_the_chat_model() -> None:
    """A tracer sees host, node, chat model, graph and its nodes, each once, each in its place."""
    tree = RunTree()

    await host(scripted([END], [0.9])).ainvoke(QUESTION, {"callbacks": [tree]})

    assert [pair for pair in tree.parents if pair[0] not in ROUTERS] == [
        ("LangGraph", None),
        ("think", "LangGraph"),
        ("ChatRSD", "think"),
        ("rsd", "ChatRSD"),
        ("begin", "rsd"),
        ("draft", "rsd"),
        ("score", "rsd"),
        ("accept", "rsd"),
    ]


async def test_without_a_host_the_trace_nests_the_same() -> None:
    """Callbacks given to `ainvoke` itself see the graph below the chat model."""
    tree = RunTree()

    await scripted([END], [0.9]).ainvoke("q", {"callbacks": [tree]})

    assert tree.parents[:3] == [("ChatRSD", None), ("rsd", "ChatRSD"), ("begin", "rsd")]


@HOSTS
async def test_usage_is_counted_once(make: Any) -> None:
    """A usage callback books one model, and every token once."""
    with get_usage_metadata_callback() as callback:
        await make(functional()).ainvoke(QUESTION)

    (usage,) = callback.usage_metadata.values()
    assert (usage["input_tokens"], usage["output_tokens"]) == (50, 13)


# -- threads and event loops -------------------------------------------------------------------


def served(endpoint: Endpoint) -> ChatRSD:
    """A model over real HTTP."""
    spec = f"llamacpp+{endpoint.url}"
    return ChatRSD(draft=spec, target=spec, prm=RewardByText())


SERVED = "First, 3+4=7.\n\nSo 7."


def test_no_client_is_bound_to_a_dead_event_loop(llamacpp_server: Endpoint) -> None:
    """One model answers over HTTP from loop after loop, and from sync code in between."""
    model = served(llamacpp_server)

    answers = [asyncio.run(model.ainvoke("q")).content, model.invoke("q").content]
    answers += [asyncio.run(model.ainvoke("q")).content, model.invoke("q").content]

    assert answers == [SERVED] * 4


def test_many_threads_share_one_model(llamacpp_server: Endpoint) -> None:
    """Sixteen threads that call `invoke` on one model each get their answer."""
    model = served(llamacpp_server)

    with ThreadPoolExecutor(16) as pool:
        answers = [message.content for message in pool.map(model.invoke, ["q"] * 16)]

    assert answers == [SERVED] * 16


FORK = """
import os, sys, warnings
from tests.helpers.chat_support import functional
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
model = functional()
model.invoke("parent")
if os.fork() == 0:
    print(model.invoke("child").text, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_forked_worker_can_answer_too() -> None:
    """A server that loads the model and then forks its workers gets answers from each."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FORK]

    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    assert ran.stdout.split("\n\n")[-1].strip() == "so: child"


async def test_a_web_handler_may_mix_sync_and_async(llamacpp_server: Endpoint) -> None:
    """Inside a server's running loop, sync calls, threads and async calls work side by side."""
    model = served(llamacpp_server)

    async def stream() -> AsyncIterator[str]:
        async for chunk in model.astream("q"):
            yield str(chunk.content)

    answers = await asyncio.gather(
        model.ainvoke("q"), asyncio.to_thread(model.invoke, "q"), model.ainvoke("q")
    )

    assert [answer.content for answer in answers] == [SERVED] * 3
    assert "".join([text async for text in stream()]) == SERVED
    assert model.invoke("q").content == SERVED


def test_a_part_of_a_sync_run_may_ask_another_model_synchronously() -> None:
    """A draft that calls `invoke` and `stream` of a chat model, and that one again: no deadlock."""

    def asking(model: ChatRSD) -> FunctionStepModel:
        def write(request: StepRequest) -> Candidate:
            question = request.prefix.conversation[-1]["content"]
            streamed = "".join(str(chunk.content) for chunk in model.stream(question))
            assert streamed == model.invoke(question).content
            return candidate(f"<{streamed}>", "eos")

        return FunctionStepModel(write)

    middle = functional(draft=asking(functional()))
    outer = functional(draft=asking(middle))

    assert outer.invoke("q").content == f"<<{ANSWER}>>"


async def test_two_answers_at_once_do_not_mix() -> None:
    """Concurrent streams of one model keep their own steps and totals."""
    model = functional()

    async def ask(question: str) -> str:
        return "".join([str(chunk.content) async for chunk in model.astream(question)])

    answers = await asyncio.gather(*(ask(str(number)) for number in range(20)))

    assert answers == [f"first\n\nsecond\n\nso: {number}" for number in range(20)]


# -- LangChain chat models in the seats of draft and target ------------------------------------


def seated(*texts: str) -> GenericFakeChatModel:
    """A LangChain chat model that says these texts, and reports usage."""
    counts = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}
    return GenericFakeChatModel(
        messages=iter([AIMessage(text, usage_metadata=counts) for text in texts])
    )


def on_chat_models() -> ChatRSD:
    """Draft and target are LangChain models; the draft is wrong at first."""
    draft = ChatStepModel(seated("wrong", "done<END>"))
    return functional(draft=draft, target=ChatStepModel(seated("right")))


@HOSTS
async def test_chat_models_inside_it_do_not_speak_to_the_user(make: Any) -> None:
    """What LangChain models write in the draft's seat is in no event, message stream or count."""
    with get_usage_metadata_callback() as callback:
        events = await events_v2(make(on_chat_models()), QUESTION)
    messages = make(on_chat_models()).astream(QUESTION, stream_mode="messages")

    started = [event["name"] for event in events if event["event"] == "on_chat_model_start"]
    shown = [e["data"]["chunk"].text for e in events if e["event"] == "on_chat_model_stream"]
    assert (started, "".join(shown)) == (["ChatRSD"], "right\n\ndone")
    assert "".join([chunk.text async for chunk, _ in messages]) == "right\n\ndone"
    assert len(callback.usage_metadata) == 1
