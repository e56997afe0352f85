"""Models as people write them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from rsd_graph import (
    Candidate,
    ConfigurationError,
    FunctionPRM,
    MalformedResponseError,
    Message,
    Prefix,
    ProviderError,
    RewardError,
    Scores,
    ScriptedRewardModel,
    ScriptedStepModel,
    ServerError,
    StepRequest,
    candidate,
    create_rsd_graph,
    initial_state,
    usage,
)
from rsd_graph.providers.adapted import adapted_prm, adapted_step_model
from rsd_graph.providers.facts import Described, ServerFacts
from rsd_graph.providers.prm import Aggregated, Ensemble, HybridRatio

PREFIX = Prefix([Message(role="user", content="Q")])
REQUEST = StepRequest(PREFIX, 64)
STEPS = [candidate("a"), candidate("b")]


class Writer:
    """Sync."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def write_step(self, request: StepRequest) -> Any:
        return self.result


class AsyncWriter(Writer):
    async def write_step(self, request: StepRequest) -> Any:
        return self.result


class PRM:
    """Sync."""

    reward_range: Any = (0.0, 1.0)

    def __init__(self, result: Any) -> None:
        self.result = result

    def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class AsyncPRM(PRM):
    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Any:
        await asyncio.sleep(0)
        return super().score(prefix, candidates)


@pytest.mark.parametrize("kind", [PRM, AsyncPRM])
@pytest.mark.parametrize(
    "result",
    [
        [0.25, 1],
        (0.25, 1.0),
        Scores([0.25, 1.0]),
        [Fraction(1, 4), Fraction(1)],
        {"a": 0.25, "b": 1.0}.values(),
    ],
    ids=["list", "tuple", "scores", "fractions", "values"],
)
async def test_rewards_may_come_in_any_form(kind: type[PRM], result: Any) -> None:
    """Sync or async, `Scores` or any row of numbers; what is handed on is Python's own."""
    scores = await adapted_prm(kind(result)).score(PREFIX, STEPS)

    assert scores.rewards == [0.25, 1.0]
    assert [type(reward) for reward in scores.rewards] == [float, float]
    assert (scores.usage["calls"], scores.usage["completion_tokens"]) == (1, 0)


@pytest.mark.parametrize("kind", [Writer, AsyncWriter])
async def test_a_step_may_be_written_sync_or_async(kind: type[Writer]) -> None:
    """One method, either way."""
    step = candidate("3 + 4 = 7.", "eos")

    assert await adapted_step_model(kind(step)).write_step(REQUEST) == step


async def test_a_sync_method_holds_up_nobody() -> None:
    """It works in a thread: here one waits for another, which would never come in one thread."""
    together = threading.Barrier(2)

    class Slow:
        reward_range = (0, 1)

        def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> list[float]:
            together.wait(timeout=30)
            return [1]

    prm = adapted_prm(Slow())
    scores = await asyncio.gather(*(prm.score(PREFIX, STEPS[:1]) for _ in range(2)))

    assert [each.rewards for each in scores] == [[1.0], [1.0]]


async def test_the_graph_takes_them_as_they_are() -> None:
    """Three classes of somebody's own, none of them async, answer a question."""
    graph = create_rsd_graph(
        draft=Writer(candidate("draft", "eos")),
        target=Writer(candidate("target", "eos")),
        prm=PRM([0.5]),
    )
    answer = await graph.compile().ainvoke(initial_state("Q", seed=0))

    assert [step["text"] for step in answer["steps"]] == ["target"]
    assert graph.compile().invoke(initial_state("Q", seed=0))["steps"][0]["reward"] == 0.5


async def test_prms_made_of_prms_take_them_as_they_are() -> None:
    """A member, too, may be sync and return a list."""
    scored = Scores([0.5], step_rewards=[0.5])

    assert (await Ensemble([PRM([0.5]), PRM([0.25])], "min").score(PREFIX, STEPS[:1])).rewards == [
        0.25
    ]
    assert (await Aggregated(PRM(scored), "min").score(PREFIX, STEPS[:1])).rewards == [0.5]


class Human:
    """A PRM that asks whoever runs the graph."""

    reward_range = (0.0, 1.0)

    def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> list[float]:
        return [float(interrupt("how good is it?"))]


async def ask_human(question: str, steps: list[str]) -> float:
    return float(interrupt("how good is it?"))


@pytest.mark.parametrize("prm", [Human(), FunctionPRM(ask_human)], ids=["class", "function"])
async def test_a_human_can_be_the_prm(prm: Any) -> None:
    """LangGraph's `interrupt` inside a model is no failure: the run waits, and goes on."""
    draft, target = ScriptedStepModel([candidate("a", "eos")]), ScriptedStepModel([])
    graph = create_rsd_graph(draft=draft, target=target, prm=prm).compile(
        checkpointer=InMemorySaver()
    )
    thread: Any = {"configurable": {"thread_id": "1"}}

    waiting = await graph.ainvoke(initial_state("Q", seed=0), thread)
    answer = await graph.ainvoke(Command(resume=0.9), thread)

    assert [each.value for each in waiting["__interrupt__"]] == ["how good is it?"]
    assert answer["steps"][0]["reward"] == 0.9


class NoRow:
    """What other libraries have for a single number."""

    def __iter__(self) -> Any:
        raise TypeError("no row")


class NoArguments(PRM):
    def score(self) -> Any:  # type: ignore[override]
        return [0.5]


class Unranged:
    def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> list[float]:
        return [0.5]


class Ranged(PRM):
    reward_range = "high"


@pytest.mark.parametrize(
    ("prm", "complaint"),
    [
        (object(), "prm: object has no score. Expected def score(self, prefix, candidates): "),
        (PRM, "prm: PRM is a class. Expected a model: PRM(...)."),
        (NoArguments([]), "prm: NoArguments.score cannot be called with 2 arguments: "),
        (Unranged(), "prm: Unranged.reward_range is no lowest and highest reward. Expected reward"),
        (Ranged([]), "Ranged.reward_range is no lowest and highest reward."),
        (lambda prefix, candidates: [1], "prm: function has no score."),
        (3, "Or name a model by an endpoint string, such as vllm+http://host:8000/v1#model."),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_prm_is_refused_when_the_graph_is_built(prm: Any, complaint: str) -> None:
    """The class, the method, and a right one."""
    writer = ScriptedStepModel([])

    with pytest.raises(ConfigurationError) as caught:
        create_rsd_graph(draft=writer, target=writer, prm=prm)

    assert complaint in str(caught.value)


class TwoArguments(Writer):
    def write_step(self, request: StepRequest, more: int) -> Any:  # type: ignore[override]
        return self.result


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (object(), "target: object has no write_step. Expected def write_step(self, request): "),
        (Writer, "target: Writer is a class. Expected a model: Writer(...)."),
        (TwoArguments(1), "target: TwoArguments.write_step cannot be called with 1 argument: "),
    ],
    ids=["object", "class", "signature"],
)
def test_what_writes_no_steps_is_refused_when_the_graph_is_built(
    model: Any, complaint: str
) -> None:
    """The role, the class, the method, and a right one."""
    with pytest.raises(ConfigurationError) as caught:
        create_rsd_graph(draft=ScriptedStepModel([]), target=model, prm=ScriptedRewardModel([]))

    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        (None, "PRM.score returned NoneType. Expected def score(self, prefix, candidates): "),
        (0.5, "PRM.score returned float."),
        ("0.5", "PRM.score returned str."),
        ({"reward": 0.5}, "PRM.score returned dict."),
        (Scores([0.5], usage=None), "PRM.score returned Scores."),  # type: ignore[arg-type]
        (NoRow(), "PRM.score failed: TypeError: no row."),
        (KeyError("oops"), "PRM.score failed: KeyError: 'oops'."),
    ],
    ids=["None", "number", "text", "dict", "usage", "no row", "raises"],
)
@pytest.mark.parametrize("kind", [PRM, AsyncPRM])
async def test_a_result_that_is_no_row_of_rewards(
    kind: type[PRM], result: Any, complaint: str
) -> None:
    """A `RewardError` that names class and method, and shows a right one."""
    with pytest.raises(RewardError) as caught:
        await adapted_prm(kind(result)).score(PREFIX, STEPS[:1])

    assert complaint in str(caught.value).replace("AsyncPRM", "PRM")


@pytest.mark.parametrize(
    "reward", [True, "0.5", None, float("nan"), float("inf"), -0.1, 1.1, [0.5]]
)
@pytest.mark.parametrize("form", [list, Scores], ids=["list", "scores"])
async def test_nothing_is_accepted_on_what_is_no_reward(reward: Any, form: Any) -> None:
    """Strictly a number in the range: no truth value, no text, no NaN, no infinity."""
    writer = ScriptedStepModel([candidate("a", "eos")])
    graph = create_rsd_graph(draft=writer, target=ScriptedStepModel([]), prm=PRM(form([reward])))

    with pytest.raises(RewardError, match=r"for step 1 of 1\. Expected a number in \[0.0, 1.0\]"):
        await graph.compile().ainvoke(initial_state("Q", seed=0))


@pytest.mark.parametrize("rewards", [[], [0.5, 0.5]])
async def test_every_step_has_one_reward(rewards: list[float]) -> None:
    """Neither more nor fewer."""
    writer = ScriptedStepModel([candidate("a", "eos")])
    graph = create_rsd_graph(draft=writer, target=ScriptedStepModel([]), prm=PRM(rewards))

    with pytest.raises(RewardError, match="rewards for 1 steps"):
        await graph.compile().ainvoke(initial_state("Q", seed=0))


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        ("text", "Writer.write_step returned str. Expected def write_step(self, request): "),
        (None, "Writer.write_step returned NoneType."),
        ({"text": "a"}, "Writer.write_step returned a step without ended, logprob, usage."),
        ({**candidate("a"), "ended": "stop"}, "ended is separator or closed or eos or length or "),
        ({**candidate("a"), "text": None}, "a step of which text or ended cannot be"),
        ({**candidate("a"), "usage": {}}, "a step whose usage is none."),
    ],
    ids=["text", "None", "keys", "ended", "no text", "usage"],
)
async def test_a_result_that_is_no_step(result: Any, complaint: str) -> None:
    """One of our errors, with the role, and a right one."""
    with pytest.raises(MalformedResponseError) as caught:
        await adapted_step_model(Writer(result), "draft").write_step(REQUEST)

    assert str(caught.value).startswith("draft: ")
    assert complaint in str(caught.value)


async def test_what_a_model_raises_is_the_cause() -> None:
    """A bug in somebody's class is one of our errors with the bug as its cause; ours pass."""

    class Broken:
        def write_step(self, request: StepRequest) -> Candidate:
            raise LookupError("oops")

    with pytest.raises(
        ProviderError, match=r"Broken\.write_step failed: LookupError: oops"
    ) as caught:
        await adapted_step_model(Broken()).write_step(REQUEST)
    with pytest.raises(ServerError, match="down"):
        await adapted_prm(PRM(ServerError("down"))).score(PREFIX, STEPS)

    assert isinstance(caught.value.__cause__, LookupError)


def test_ours_are_themselves() -> None:
    """No wrapper stands between the graph and a model this package's tests answer for."""
    writer, prm = ScriptedStepModel([]), ScriptedRewardModel([])

    assert adapted_step_model(writer) is writer
    assert adapted_prm(prm) is prm


async def test_what_else_a_model_offers_stays_to_be_found() -> None:
    """Its address, what its server tells, its name."""

    class Telling(PRM):
        endpoint = "http://h#m"

        async def describe(self) -> ServerFacts:
            return ServerFacts(("m",))

        def __repr__(self) -> str:
            return "mine"

    prm = adapted_prm(Telling([]))

    assert (repr(prm), getattr(prm, "endpoint", None)) == ("mine", "http://h#m")
    assert isinstance(prm, Described)
    assert await prm.describe() == ServerFacts(("m",))


async def test_costs_are_what_the_model_says() -> None:
    """Usage that is given is kept; a list has none, and counts as one call."""
    spent = usage(prompt_tokens=7, cached_tokens=0)

    said = await adapted_prm(PRM(Scores([0.5], spent, [0.1, 0.5]))).score(PREFIX, STEPS[:1])

    assert (said.usage, said.step_rewards) == (spent, [0.1, 0.5])


def test_a_ratio_takes_them_as_they_are() -> None:
    """`HybridRatio` weighs the reward of any PRM."""

    class Target:
        async def write_step(self, request: StepRequest) -> Candidate:
            return candidate("a")

        async def log_probability(
            self, prefix: Prefix, text: str, followed_by: str = ""
        ) -> tuple[float, Any]:
            return 0.0, usage()

    ratio = HybridRatio(PRM([0.5]), Target())
    scores = asyncio.run(ratio.score(PREFIX, [candidate("a", logprob=0.0)]))

    assert scores.rewards == [0.5]
