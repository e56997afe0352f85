"""What the graph itself streams, in every mode LangGraph has."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from langgraph.graph import END as HOST_END
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from rsd_graph import candidate, initial_state
from rsd_graph.answer.events import Event
from tests.helpers.scripted import Scripted

QUESTION = initial_state("q")
END = candidate("end", "eos")


def one_rejected(**options: Any) -> Scripted:
    """Three steps, of which the target writes the second."""
    return Scripted(["a", "wrong", END], [0.9, 0.1, 0.9], ["right"], **options)


def facts(event: dict[str, Any]) -> tuple[Any, ...]:
    """An event as type, index, and what it says first."""
    kind, index, *rest = event.values()
    said = rest[0]["text"] if isinstance(rest[0], dict) else rest[0]
    return kind.removeprefix("step_"), index, said


EXPECTED = [
    ("drafted", 0, "a"),
    ("scored", 0, 0.9),
    ("accepted", 0, 0.9),
    ("settled", 0, "a"),
    ("drafted", 1, "wrong"),
    ("scored", 1, 0.1),
    ("rejected", 1, 0.1),
    ("settled", 1, "right"),
    ("drafted", 2, "end"),
    ("scored", 2, 0.9),
    ("accepted", 2, 0.9),
    ("settled", 2, "end"),
]


async def test_custom_events_tell_the_story_of_each_step() -> None:
    """Drafted, scored, accepted or rejected, settled: in this order, each once."""
    events = one_rejected().graph.compile().astream(QUESTION, stream_mode="custom")

    assert [facts(event) async for event in events] == EXPECTED


def test_sync_callers_get_the_same_events() -> None:
    """`stream` tells what `astream` tells."""
    events = one_rejected().graph.compile().stream(QUESTION, stream_mode="custom")

    assert [facts(event) for event in events] == EXPECTED


async def test_every_event_is_one_of_the_typed_ones() -> None:
    """An event has exactly the keys its type declares."""
    hints = [get_type_hints(kind) for kind in get_args(Event)]
    declared = {get_args(hint["type"])[0]: set(hint) for hint in hints}

    async for event in one_rejected().graph.compile().astream(QUESTION, stream_mode="custom"):
        assert set(event) == declared[event["type"]]


async def test_the_rejection_is_told_before_the_target_writes() -> None:
    """A live display can strike the draft out while the target is still writing."""
    run = one_rejected()
    stream = run.graph.compile().astream(QUESTION, stream_mode="custom")

    async for event in stream:
        if event["type"] == "step_rejected":
            break

    assert run.target.history == []
    await stream.aclose()


async def test_a_step_nobody_scored_is_rejected_without_a_reward() -> None:
    """A cut-off draft goes to the target; no reward is invented for it."""
    run = Scripted([candidate("cut", "length")], [], [END])

    events = run.graph.compile().astream(QUESTION, stream_mode="custom")

    assert [facts(event) async for event in events] == [
        ("drafted", 0, "cut"),
        ("rejected", 0, None),
        ("settled", 0, "end"),
    ]


async def test_steps_drafted_after_a_rejected_one_are_heard_of_no_more() -> None:
    """With look-ahead, verdicts stop at the first rejection of a run."""
    run = Scripted(["a", "wrong", "unused", END], [0.9, 0.1, 0.9, 0.9], [END], lookahead=3)

    stream = run.graph.compile().astream(QUESTION, stream_mode="custom")
    events = [facts(event) async for event in stream]

    assert [event for event in events if event[0] in ("accepted", "rejected", "settled")] == [
        ("accepted", 0, 0.9),
        ("rejected", 1, 0.1),
        ("settled", 0, "a"),
        ("settled", 1, "end"),
    ]


async def test_updates_carry_each_settled_step_once() -> None:
    """`stream_mode="updates"`: one update per node, and no step in two of them."""
    updates = [
        (node, [step["text"] for step in update.get("steps") or []])
        async for event in one_rejected().graph.compile().astream(QUESTION, stream_mode="updates")
        for node, update in event.items()
    ]

    assert [pair for pair in updates if pair[1]] == [
        ("accept", ["a"]),
        ("target", ["right"]),
        ("accept", ["end"]),
    ]
    assert len(updates) == 1 + 3 * 3


async def test_values_grow_by_the_settled_steps() -> None:
    """`stream_mode="values"`: the output so far; the last one is the answer."""
    graph = one_rejected().graph.compile()

    values = [value async for value in graph.astream(QUESTION, stream_mode="values")]

    lengths = [len(value["steps"]) for value in values if "steps" in value]
    assert lengths == sorted(lengths)
    assert [step["text"] for step in values[-1]["steps"]] == ["a", "right", "end"]
    assert values[-1]["finish_reason"] == "stop"


async def test_messages_mode_has_nothing_to_say() -> None:
    """No language-model callbacks run inside the graph, so no draft text leaks through them."""
    graph = one_rejected().graph.compile()

    assert [event async for event in graph.astream(QUESTION, stream_mode="messages")] == []


async def test_several_modes_at_once() -> None:
    """Modes can be combined, and none changes another."""
    graph = one_rejected().graph.compile()

    events = [event async for event in graph.astream(QUESTION, stream_mode=["updates", "custom"])]

    assert [facts(event) for mode, event in events if mode == "custom"] == EXPECTED
    assert len([event for mode, event in events if mode == "updates"]) == 10


class HostState(TypedDict):
    conversation: list[dict[str, str]]
    steps: list[dict[str, Any]]


def embedded() -> Any:
    """A host graph with the RSD graph as a node."""
    host = StateGraph(HostState)
    host.add_node("think", one_rejected().graph.compile())
    host.add_edge(START, "think")
    host.add_edge("think", HOST_END)
    return host.compile()


async def test_embedded_its_events_show_only_to_hosts_that_ask() -> None:
    """As a subgraph its events come with `subgraphs=True`, from its own namespace."""
    quiet = [event async for event in embedded().astream(QUESTION, stream_mode="custom")]
    asked = embedded().astream(QUESTION, stream_mode="custom", subgraphs=True)
    told = [(namespace, facts(event)) async for namespace, event in asked]

    assert quiet == []
    assert [fact for _, fact in told] == EXPECTED
    assert {namespace[0].partition(":")[0] for namespace, _ in told} == {"think"}


async def test_astream_events_run_each_node_once() -> None:
    """`astream_events` sees each node start once per lap, and no chat model."""
    graph = one_rejected().graph.compile()

    events = [event async for event in graph.astream_events(QUESTION, version="v2")]

    started = [e["name"] for e in events if e["event"] == "on_chain_start"]
    assert [started.count(name) for name in ("draft", "score", "accept", "target")] == [3, 3, 2, 1]
    assert not [event for event in events if "chat_model" in event["event"]]
