"""A hedge changes when the target starts, never what is settled, and every token is booked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from rsd_graph import (
    ConfigurationError,
    EndpointConnectionError,
    Limits,
    PerRole,
    Prefix,
    Scores,
    StepRequest,
    candidate,
    create_rsd_graph,
    flops,
    initial_state,
)
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import add, empty_ledger, settled_tokens, usage
from rsd_graph.answer.state import Candidate
from rsd_graph.early import runs
from rsd_graph.early.hedge import Hedge
from rsd_graph.providers.scripted import ScriptedRewardModel, ScriptedStepModel
from tests.helpers.chat_support import END
from tests.helpers.hashed import HashedModel, HashedPRM, transcript


def hashed_graph(rejects: float, *, use_seed: bool = False, **options: Any) -> Any:
    """A graph of hashed models, and the models that write."""
    draft, target = HashedModel("d", use_seed=use_seed), HashedModel("t", use_seed=use_seed)
    graph = create_rsd_graph(draft=draft, target=target, prm=HashedPRM(rejects), **options)
    return graph, draft, target


async def solve(question: str, rejects: float, **options: Any) -> dict[str, Any]:
    graph, _, _ = hashed_graph(rejects, **options)
    answer: dict[str, Any] = await graph.compile().ainvoke(initial_state(question, seed=1))
    return answer


class PatientPRM:
    """Gives its rewards one by one, each only after *until* has happened."""

    reward_range = (0.0, 1.0)

    def __init__(self, until: asyncio.Event, rewards: Sequence[float]) -> None:
        self.until = until
        self.rewards = list(rewards)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        await self.until.wait()
        return Scores([self.rewards.pop(0) for _ in candidates], usage())


class SignallingModel(ScriptedStepModel):
    """Says that it was asked."""

    def __init__(self, script: Any) -> None:
        super().__init__(script)
        self.asked = asyncio.Event()

    async def write_step(self, request: StepRequest) -> Candidate:
        self.asked.set()
        return await super().write_step(request)


class HangingModel:
    """Never finishes a step; says when it was asked and counts how often it was cancelled."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.cancelled = 0

    async def write_step(self, request: StepRequest) -> Candidate:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError


def graph_of(draft: Any, target: Any, prm: Any, **options: Any) -> Any:
    return create_rsd_graph(draft=draft, target=target, prm=prm, **options).compile()


async def test_the_target_writes_while_the_prm_scores() -> None:
    """The rejected step's replacement is there before the verdict, and is asked for once."""
    target = SignallingModel([END])
    prm = PatientPRM(target.asked, [0.1])
    graph = graph_of(ScriptedStepModel(["wrong"]), target, prm, hedge=0)

    async with asyncio.timeout(5):
        answer = await graph.ainvoke(initial_state("q"))

    assert [step["source"] for step in answer["steps"]] == ["target"]
    assert len(target.history) == 1
    assert answer["ledger"]["wasted_target_tokens"] == 0


async def test_a_finished_hedge_nobody_needs_is_booked_as_waste() -> None:
    """Its usage is the target's, its tokens are not the answer's."""
    target = SignallingModel([candidate("in vain", tokens=7)])
    prm = PatientPRM(target.asked, [0.9])
    graph = graph_of(ScriptedStepModel([candidate("good", "eos")]), target, prm, hedge=0)

    ledger = (await graph.ainvoke(initial_state("q")))["ledger"]

    assert ledger["target"]["completion_tokens"] == 7
    assert ledger["wasted_target_tokens"] == 7
    assert ledger["target_steps"] == 0
    assert settled_tokens(ledger) == 1
    assert flops(ledger, PerRole(0, 1, 0)) == {"decode_only": 14, "full": 14}


async def test_an_accepted_draft_cancels_the_hedge_in_flight() -> None:
    """The remote work ends; what it may have written is booked as an upper bound."""
    target = HangingModel()
    prm = PatientPRM(target.asked, [0.9])
    draft = ScriptedStepModel([candidate("good", "eos")])
    graph = graph_of(draft, target, prm, hedge=0, limits=Limits(max_step_tokens=8))

    ledger = (await graph.ainvoke(initial_state("q")))["ledger"]
    await asyncio.sleep(0)

    assert target.cancelled == 1
    assert (ledger["cancelled_calls"], ledger["cancelled_target_tokens"]) == (1, 8)
    assert settled_tokens(ledger) == 1
    assert flops(ledger, PerRole(0, 1, 0)) == {"decode_only": 16, "full": 16}


def draft_after(prompt_tokens: int) -> Candidate:
    return candidate("good", cost=usage(prompt_tokens=prompt_tokens, completion_tokens=5))


@pytest.mark.parametrize(("cached", "read"), [(0, 130), (None, 100 + 130)])
async def test_what_cancelled_hedges_made_the_target_read_is_estimated(
    cached: int | None, read: int
) -> None:
    """Only what is new since the last, if the server reports its cache; else all of it."""

    class Target(HangingModel):
        async def write_step(self, request: StepRequest) -> Candidate:
            if request.seed == 1:
                return candidate("known", cost=usage(completion_tokens=1, cached_tokens=cached))
            return await super().write_step(request)

    hedge = Hedge(Target(), 0)
    prefix = Prefix([{"role": "user", "content": "q"}])
    await hedge.write_step("1", StepRequest(prefix, max_tokens=8, seed=1), Books(empty_ledger()))
    entries = []
    for prompt_tokens in (100, 130):
        hedge.consider("1", draft_after(prompt_tokens), lambda: StepRequest(prefix, max_tokens=8))
        await asyncio.sleep(0)
        entries.append(hedge.accepted("1")["cancelled_target_prompt_tokens"])

    assert sum(entries) == read
    ledger = add(empty_ledger(), {"cancelled_target_prompt_tokens": read})
    assert flops(ledger, PerRole(0, 1, 0)) == {"decode_only": 0, "full": 2 * read}


async def test_of_a_run_only_the_first_step_is_hedged() -> None:
    """A later rejection asks the target anew; the hedge of the first step was in vain."""
    target = SignallingModel(["in vain", candidate("right", "eos")])
    prm = PatientPRM(target.asked, [0.9, 0.9, 0.1])
    draft = ScriptedStepModel(["one", "two", "wrong", "unused", "unused", "unused"])
    graph = graph_of(draft, target, prm, hedge=0, lookahead=1)

    answer = await graph.ainvoke(initial_state("q"))

    kept = ["one", "two", "right"]
    assert [step["text"] for step in answer["steps"]] == kept
    assert len(target.history[-1].prefix.steps) == 2


def failing(error: str = "no connection.") -> EndpointConnectionError:
    return EndpointConnectionError(error, role="target")


async def test_a_failed_hedge_does_not_fail_an_accepted_step() -> None:
    """Nobody asked for what it would have brought."""
    target = SignallingModel([failing()])
    prm = PatientPRM(target.asked, [0.9])
    graph = graph_of(ScriptedStepModel([END]), target, prm, hedge=0)

    answer = await graph.ainvoke(initial_state("q"))

    assert answer["finish_reason"] == "stop"
    assert answer["ledger"]["target"]["calls"] == 0


async def test_a_failed_hedge_of_a_rejected_step_is_raised() -> None:
    """It had all the retries its endpoint allows; there is no second layer of them."""
    target = SignallingModel([failing("early."), END])
    prm = PatientPRM(target.asked, [0.1])
    graph = graph_of(ScriptedStepModel(["wrong"]), target, prm, hedge=0)

    with pytest.raises(EndpointConnectionError, match=r"early\."):
        await graph.ainvoke(initial_state("q"))

    assert len(target.history) == 1


async def test_a_failed_scoring_uses_the_hedge() -> None:
    """With `on_prm_error="target"` the target has begun already."""
    target = SignallingModel([END])
    prm = ScriptedRewardModel([EndpointConnectionError("no connection.", role="prm")])
    draft = ScriptedStepModel(["unscored"])
    graph = graph_of(draft, target, prm, hedge=0, on_prm_error="target")

    answer = await graph.ainvoke(initial_state("q"))

    assert len(target.history) == 1
    assert answer["ledger"]["prm_failures"] == 1


@pytest.mark.parametrize("scored", [False, True])
async def test_cancelling_a_run_cancels_its_hedge(scored: bool) -> None:
    """When the caller gives up while a step is scored or rewritten, the target stops too."""
    target, prm = HangingModel(), PatientPRM(asyncio.Event(), [0.1])
    graph = graph_of(ScriptedStepModel(["wrong"]), target, prm, hedge=0)
    task = asyncio.create_task(graph.ainvoke(initial_state("q")))
    await target.asked.wait()
    if scored:
        prm.until.set()
    for _ in range(100):
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)

    assert target.cancelled == 1


THREAD: Any = {"configurable": {"thread_id": "1"}}


async def test_a_run_stopped_between_two_nodes_is_ended_by_its_name() -> None:
    """Whoever runs the graph in their own way and stops after a verdict says so, and hears what
    was spent in vain.
    """
    target = HangingModel()
    prm = PatientPRM(target.asked, [0.1])
    graph = create_rsd_graph(draft=ScriptedStepModel(["wrong"]), target=target, prm=prm, hedge=0)
    compiled = graph.compile(checkpointer=InMemorySaver(), interrupt_after=["score"])
    await compiled.ainvoke(initial_state("q"), THREAD)

    run = (await compiled.aget_state(THREAD)).values["run"]
    entry, again = compiled.end(run), compiled.end(run)
    await asyncio.sleep(0)

    assert target.cancelled == 1
    assert entry["cancelled_calls"] == 1
    assert again == {}


@pytest.mark.parametrize("early", [{"hedge": 0}, {"lookahead": 2}], ids=["hedge", "lookahead"])
def test_a_run_resumed_in_another_event_loop_starts_afresh(early: dict[str, Any]) -> None:
    """What was started early ended with the loop it was started in; the answer is the same."""
    expected = asyncio.run(solve("resumed", 0.4))
    draft, target = HashedModel("d", turns=2000), HashedModel("t", turns=2000)
    graph = create_rsd_graph(draft=draft, target=target, prm=HashedPRM(0.4), **early)
    compiled = graph.compile(checkpointer=InMemorySaver(), interrupt_after=["draft", "score"])

    answer = asyncio.run(compiled.ainvoke(initial_state("resumed", seed=1), THREAD))
    while compiled.get_state(THREAD).next:
        answer = asyncio.run(compiled.ainvoke(None, THREAD))

    assert transcript(answer) == transcript(expected)


async def test_many_answers_at_once_leave_nothing_behind() -> None:
    """Every hedge of 100 answers is used or cancelled by their end."""
    graph, _, _ = hashed_graph(0.3, hedge=0.2)
    compiled = graph.compile()

    await asyncio.gather(*(compiled.ainvoke(initial_state(f"q{n}")) for n in range(100)))
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_runs_nobody_comes_back_for_are_cancelled_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is bounded: the oldest hedge makes room; its run still pays for it, once."""
    monkeypatch.setattr(runs, "REMEMBERED_RUNS", 2)
    model = HangingModel()
    hedge = Hedge(model, 0)
    request = StepRequest(Prefix([{"role": "user", "content": "q"}]), max_tokens=8)

    for run in range(3):
        hedge.consider(str(run), candidate("draft"), lambda: request)
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert model.cancelled == 1
    assert [hedge.discard("0").get("cancelled_calls", 0) for _ in range(2)] == [1, 0]


async def test_below_the_threshold_the_target_waits() -> None:
    """After 50 acceptances a rejection is less likely than 15 %; after 10 rejections it is not."""
    model = HashedModel("t")
    hedge = Hedge(model, 0.15)

    async def lap(*, rejected: bool) -> bool:
        """One verdict; whether the target had been started before it."""
        request = StepRequest(Prefix([{"role": "user", "content": "q"}]), max_tokens=8)
        before = model.started
        hedge.consider("1", candidate("draft"), lambda: request)
        await asyncio.sleep(0)
        early = model.started > before
        if rejected:
            await hedge.write_step("1", request, Books(empty_ledger()))
        else:
            hedge.accepted("1")
        return early

    accepting = [await lap(rejected=False) for _ in range(50)]
    rejecting = [await lap(rejected=True) for _ in range(10)]

    assert (accepting[0], accepting[-1]) == (True, False)
    assert (rejecting[0], rejecting[-1]) == (False, True)


@pytest.mark.parametrize("hedge", [-0.1, 1.5])
def test_a_threshold_is_a_probability(hedge: float) -> None:
    """Nothing else is accepted."""
    with pytest.raises(ConfigurationError, match="hedge="):
        Hedge(HashedModel("t"), hedge)


async def test_the_shipped_models_settle_the_same_with_a_hedge() -> None:
    """Real llama.cpp servers, greedy and sampled: same steps; the target begins every one."""
    pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")
    from rsd_graph import ChatRSD
    from rsd_graph.embedded.task import held_out_problems

    rewritten = 0
    for number, problem in enumerate(held_out_problems(6)):
        options: dict[str, Any] = {"temperature": 0.8 * (number % 2), "seed": number}
        plain = await ChatRSD(**options).ainvoke(problem.question)
        hedged = await ChatRSD(**options, hedge=0).ainvoke(problem.question)
        before, after = plain.response_metadata["rsd"], hedged.response_metadata["rsd"]
        assert transcript(after) == transcript(before)
        assert after["ledger"]["target"]["calls"] + after["ledger"]["cancelled_calls"] >= len(
            after["steps"]
        )
        rewritten += after["ledger"]["target_steps"]
    assert rewritten > 0
