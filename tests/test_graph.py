"""The algorithm: what the graph settles for which drafts, rewards and target steps."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from rsd_graph import (
    ConfigurationError,
    ContextOverflowError,
    EndpointConnectionError,
    InputError,
    Limits,
    RewardError,
    candidate,
    create_rsd_graph,
    initial_state,
    reward_threshold,
)
from rsd_graph.providers.scripted import ScriptedRewardModel, ScriptedStepModel
from tests.helpers.scripted import Scripted, sources, texts

END_STEP = candidate("end", "eos")


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([0.9, 0.8, 0.7], ["draft", "draft", "draft"]),
        ([0.1, 0.2, 0.3], ["target", "target", "target"]),
        ([0.9, 0.69, 0.7], ["draft", "target", "draft"]),
    ],
)
async def test_a_step_is_the_drafts_iff_its_reward_reaches_delta(
    rewards: list[float], expected: list[str]
) -> None:
    """Algorithm 1: y_i = y^_i if r_i >= delta, else the target writes it."""
    target = ["A", "B", candidate("END", "eos")][: expected.count("target")]
    if expected[-1] == "draft":
        target = target[: expected.count("target")]
    run = Scripted(["a", "b", END_STEP], rewards, target)

    answer = await run.answer()

    assert sources(answer) == expected
    assert answer["finish_reason"] == "stop"


async def test_the_target_continues_what_is_settled_not_what_was_rejected() -> None:
    """The rejected draft is nowhere in the target's prefix, nor in the next draft's."""
    run = Scripted(["a", "wrong", END_STEP], [0.9, 0.1, 0.9], ["right"])

    await run.answer()

    assert run.target.history[0].prefix.text == "a\n\n"
    assert run.draft.history[2].prefix.text == "a\n\nright\n\n"


async def test_a_rejected_step_keeps_the_draft_and_its_reward_for_the_trace() -> None:
    """The trace of a rejected step says what was rejected and how it was scored."""
    run = Scripted(["wrong"], [0.25], [candidate("right", "eos", tokens=3)])

    (step,) = (await run.answer())["steps"]

    assert (step["text"], step["rejected_text"], step["reward"]) == ("right", "wrong", 0.25)
    assert (step["accepted"], step["source"], step["tokens"]) == (False, "target", 3)


async def test_two_runs_on_one_thread_share_nothing() -> None:
    """A second question on the same checkpointed thread starts with empty hands."""
    run = Scripted(["a", END_STEP, "b", END_STEP], [0.9] * 4)
    graph = run.graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "one"}}

    await graph.ainvoke(initial_state("first"), config)
    second = await graph.ainvoke(initial_state("second"), config)

    assert texts(second) == ["b", "end"]
    assert run.draft.history[2].prefix.text == ""
    assert second["ledger"]["drafted_steps"] == 2


def test_its_runs_have_a_name_of_their_own() -> None:
    """Traces say "rsd" where LangGraph would say "LangGraph", or whatever the host says."""
    graph = Scripted([END_STEP], [0.9], []).graph

    names = [graph.compile().get_name(), graph.compile(name="mine").get_name()]
    assert names == ["rsd", "mine"]


def test_sync_callers_get_the_same_answer() -> None:
    """`invoke` and `stream` work without an event loop."""
    run = Scripted(["a", END_STEP] * 2, [0.9] * 4)
    graph = run.graph.compile()

    answer = graph.invoke(initial_state("q"))
    nodes = [node for event in graph.stream(initial_state("q")) for node in event]

    assert texts(answer) == ["a", "end"]
    assert nodes == ["begin", "draft", "score", "accept", "draft", "score", "accept"]


async def test_sync_invoke_works_inside_a_running_loop() -> None:
    """A notebook cell may call `invoke`, event loop or not."""
    run = Scripted([END_STEP], [0.9])

    assert texts(run.graph.compile().invoke(initial_state("q"))) == ["end"]


class HostState(TypedDict):
    conversation: list[dict[str, str]]
    steps: list[dict[str, object]]
    note: str


async def test_embedded_in_a_host_graph_with_other_state_and_context() -> None:
    """In a host graph it reads `conversation`, writes `steps`, and touches nothing else."""
    run = Scripted(["a", END_STEP], [0.9, 0.9])
    host = StateGraph(HostState, context_schema=dict)
    host.add_node("think", run.graph.compile())
    host.add_edge(START, "think")
    host.add_edge("think", END)

    result = await host.compile().ainvoke(
        {**initial_state("q"), "note": "mine"}, context={"user": "someone"}
    )

    assert [step["text"] for step in result["steps"]] == ["a", "end"]
    assert result["note"] == "mine"


@pytest.mark.parametrize("limit", [None, 10], ids=["LangChain's default of 25", "explicit"])
async def test_the_recursion_limit_never_bites(limit: int | None) -> None:
    """Forty steps run inside a chain or a host whose recursion limit allows a handful."""
    run = Scripted([*"abcdefghij" * 4, END_STEP], [0.9] * 41, limits=Limits(max_repeats=50))
    graph = run.graph.compile()

    async def inside_a_chain(question: str) -> dict[str, object]:
        config = {"recursion_limit": limit} if limit else None
        return await graph.ainvoke(initial_state(question), config)  # type: ignore[return-value]

    answer = await RunnableLambda(inside_a_chain).ainvoke("q")

    assert len(answer["steps"]) == 41


def test_the_graph_can_be_rebuilt_in_a_second_event_loop() -> None:
    """Nothing of a compiled graph is tied to the loop of its first run."""
    run = Scripted([END_STEP] * 2, [0.9] * 2)
    graph = run.graph.compile()

    answers = [asyncio.run(graph.ainvoke(initial_state("q"))) for _ in range(2)]

    assert [texts(answer) for answer in answers] == [["end"], ["end"]]


async def test_an_empty_question_is_refused_before_anything_is_spent() -> None:
    """An empty question is a typed error, and no model is called."""
    run = Scripted([], [])

    with pytest.raises(InputError, match="question is empty"):
        await run.answer("  ")

    assert run.draft.history == []


def test_delta_outside_the_prms_range_is_refused_when_the_graph_is_built() -> None:
    """A delta that can never be reached is a configuration error, not a silent always-reject."""
    model = ScriptedStepModel([])
    prm = ScriptedRewardModel([], reward_range=(-1.0, 1.0))

    with pytest.raises(ConfigurationError, match=r"delta=1.5 is outside .* \[-1.0, 1.0\]"):
        create_rsd_graph(draft=model, target=model, prm=prm, accept=reward_threshold(1.5))


@pytest.mark.parametrize("reward", [float("nan"), 1.01, -0.01, float("inf")])
async def test_a_reward_that_cannot_be_trusted_raises(reward: float) -> None:
    """NaN and out-of-range rewards never accept or reject anything."""
    run = Scripted(["a"], [reward])

    with pytest.raises(RewardError, match="prm"):
        await run.answer()


async def test_settled_steps_and_spending_are_on_the_exception() -> None:
    """When an endpoint dies mid-answer, what was settled and spent is on the error."""
    dead = EndpointConnectionError("no connection.", role="draft", endpoint="http://gone")
    run = Scripted(["a", dead], [0.9])

    with pytest.raises(EndpointConnectionError) as caught:
        await run.answer()

    assert [step["text"] for step in caught.value.steps] == ["a"]
    assert caught.value.ledger is not None
    assert caught.value.ledger["draft"]["calls"] == 1


async def test_a_failing_prm_raises_by_default() -> None:
    """No PRM, no answer: a silent accept does not exist."""
    run = Scripted(["a"], [EndpointConnectionError("no connection.", role="prm")])

    with pytest.raises(EndpointConnectionError):
        await run.answer()


async def test_a_failing_prm_can_fall_back_to_the_target_and_is_counted() -> None:
    """`on_prm_error="target"` lets the target write the step, and the ledger says so."""
    failure = EndpointConnectionError("no connection.", role="prm")
    run = Scripted(["a", END_STEP], [failure, 0.9], ["A"], on_prm_error="target")

    answer = await run.answer()

    assert sources(answer) == ["target", "draft"]
    assert answer["ledger"]["prm_failures"] == 1
    assert answer["steps"][0]["reward"] is None


async def test_a_question_that_fills_the_targets_context_raises() -> None:
    """With nothing settled and no room to write, there is no answer to return."""
    full = candidate("", "context")
    run = Scripted([full], [], [full])

    with pytest.raises(ContextOverflowError, match="target"):
        await run.answer()
