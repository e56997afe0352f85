"""One test for each control-flow bug of the paper's own evaluation script (numbered as we found
them). Those that live on the wire are tested with the providers; here are the algorithm's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rsd_graph import (
    Limits,
    Prefix,
    Scores,
    StepRequest,
    candidate,
    create_rsd_graph,
    initial_state,
)
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate
from rsd_graph.answer.steps import answer_text, join_steps
from tests.helpers.scripted import Scripted, sources, texts

END_STEP = candidate("end", "eos")


async def test_b1_a_long_answer_is_not_cut_by_patience() -> None:
    """B1: a 20-step answer run alone comes back whole; the script cuts it at 5."""
    steps = [f"step {i}" for i in range(19)]
    run = Scripted([*steps, END_STEP], [0.9] * 20)

    answer = await run.answer()

    assert len(answer["steps"]) == 20
    assert answer["finish_reason"] == "stop"


async def test_b2_no_state_is_shared_between_answers() -> None:
    """B2: short and long answers run side by side, and each keeps its own length."""
    lengths = [1, 30, 3]
    runs = [Scripted([f"s{i}" for i in range(n - 1)] + [END_STEP], [0.9] * n) for n in lengths]

    answers = await asyncio.gather(*(run.answer() for run in runs))

    assert [len(answer["steps"]) for answer in answers] == lengths


async def test_b3_a_length_capped_step_is_not_an_answer() -> None:
    """B3: a draft cut by its token cap is not final; the target writes that step instead."""
    run = Scripted([candidate("half a sen", "length"), END_STEP], [0.9], ["a whole sentence"])

    answer = await run.answer()

    assert texts(answer) == ["a whole sentence", "end"]
    assert run.prm.history[0][1][0]["text"] == "end"


async def test_b5_only_a_matched_separator_is_written_back() -> None:
    """B5: a step cut by its cap is continued where it stopped, without a false separator."""
    half = candidate("half", "length", tokens=4)
    rest = candidate(" done", "eos", tokens=2)
    run = Scripted([half, rest], [0.9], [half], limits=Limits(max_step_tokens=4))

    answer = await run.answer()

    assert run.draft.history[1].prefix.text == "half"
    assert answer_text(answer["steps"]) == "half done"
    assert answer["steps"][0]["ended"] == "length"


async def test_b6_a_blank_step_is_neither_scored_nor_accepted() -> None:
    """B6: a draft that is only a separator goes to the target; the PRM never sees it."""
    run = Scripted([candidate(""), END_STEP], [0.9], ["words"])

    answer = await run.answer()

    assert sources(answer) == ["target", "draft"]
    assert len(run.prm.history) == 1


async def test_b6_blank_steps_cannot_go_on_forever() -> None:
    """B6: when the target too has nothing but a separator, the answer ends and says why."""
    run = Scripted([candidate("")], [], [candidate("")])

    answer = await run.answer()

    assert answer["finish_reason"] == "blank"


async def test_b7_max_steps_counts_this_answers_steps() -> None:
    """B7: the step limit is per answer and named in the result."""
    run = Scripted([f"s{i}" for i in range(9)], [0.9] * 9, limits=Limits(max_steps=3))

    answer = await run.answer()

    assert len(answer["steps"]) == 3
    assert answer["finish_reason"] == "max_steps"


@pytest.mark.parametrize("loop", [["same"], ["tick", "tock"]], ids=["identical", "alternating"])
async def test_b7_a_loop_of_repeated_steps_ends(loop: list[str]) -> None:
    """B7: a model that repeats itself word for word is stopped after four times, not a hundred."""
    run = Scripted(loop * 50, [0.9] * 100)

    answer = await run.answer()

    assert answer["finish_reason"] == "repetition"
    assert texts(answer).count(loop[0]) == 4


async def test_b8_budgets_count_the_answer_not_the_prompt() -> None:
    """B8: a long prompt does not eat the answer's budget, and no step may exceed what is left."""
    paid = usage(prompt_tokens=600, completion_tokens=150)
    step = candidate("some step", cost=paid)
    run = Scripted([step] * 9, [0.9] * 9, limits=Limits(max_tokens=400, max_repeats=9))

    answer = await run.answer()

    assert [request.max_tokens for request in run.draft.history] == [400, 250, 100]
    assert answer["finish_reason"] == "length"


async def test_b11_the_targets_step_is_final_and_never_rescored() -> None:
    """B11: as in Algorithm 1, the target's step is settled without another PRM call."""
    run = Scripted(["bad", END_STEP], [0.1, 0.9], ["good"])

    await run.answer()

    scored = [[c["text"] for c in candidates] for _, candidates in run.prm.history]
    assert scored == [["bad"], ["end"]]


async def test_b12_every_reward_is_kept() -> None:
    """B12: the trace holds the reward of every decision, rejected ones too."""
    run = Scripted(["a", "b", END_STEP], [0.9, 0.3, 0.8], ["B"])

    answer = await run.answer()

    assert [step["reward"] for step in answer["steps"]] == [0.9, 0.3, 0.8]


async def test_b23_one_answer_does_not_wait_for_another() -> None:
    """B23: no lockstep: an answer finishes while another one's draft still hangs."""
    hangs = asyncio.Event()

    class Model:
        async def write_step(self, request: StepRequest) -> Candidate:
            if request.prefix.conversation[0]["content"] == "slow":
                await hangs.wait()
            return END_STEP

    class PRM:
        reward_range = (0.0, 1.0)

        async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
            return Scores([0.9] * len(candidates), usage())

    graph = create_rsd_graph(draft=Model(), target=Model(), prm=PRM()).compile()
    slow = asyncio.create_task(graph.ainvoke(initial_state("slow")))

    fast = await graph.ainvoke(initial_state("fast"))

    assert fast["finish_reason"] == "stop"
    assert not slow.done()
    hangs.set()
    assert (await slow)["finish_reason"] == "stop"


async def test_b24_steps_are_joined_with_one_canonical_separator() -> None:
    """B24: the text a model continues is the settled steps and exactly one separator after each."""
    run = Scripted(["a", "b", END_STEP], [0.9] * 3)

    answer = await run.answer()

    assert run.draft.history[2].prefix.text == "a\n\nb\n\n"
    assert join_steps(answer["steps"]) == "a\n\nb\n\nend"


async def test_b25_budgets_come_from_the_servers_counts() -> None:
    """B25: nothing is re-tokenised to be counted; the server's usage is what is booked."""
    run = Scripted(
        [candidate("one word", cost=usage(prompt_tokens=11, completion_tokens=7)), END_STEP],
        [0.9, 0.9],
    )

    ledger = (await run.answer())["ledger"]

    assert ledger["draft"]["prompt_tokens"] == 11
    assert ledger["kept_draft_tokens"] == 7 + 1


async def test_b26_each_model_is_given_the_conversation_to_render_itself() -> None:
    """B26: draft and target get the same turns, not one prompt rendered by the draft's template."""
    run = Scripted(["bad"], [0.1], [END_STEP])

    await run.answer("Why?")

    turns = [{"role": "user", "content": "Why?"}]
    assert run.draft.history[0].prefix.conversation == turns
    assert run.target.history[0].prefix.conversation == turns


async def test_b27_every_step_and_role_has_a_seed_of_its_own() -> None:
    """B27: seeds derive from one root, differ between steps and roles, and repeat with the root."""
    first, second = (Scripted(["a", "bad"], [0.9, 0.1], [END_STEP]) for _ in range(2))

    await first.answer(seed=5)
    await second.answer(seed=5)

    seeds = [r.seed for r in (*first.draft.history, *first.target.history)]
    assert len(set(seeds)) == 3
    assert seeds == [r.seed for r in (*second.draft.history, *second.target.history)]


async def test_b27_two_questions_with_one_seed_are_not_correlated() -> None:
    """B27: the conversation is part of every derived seed."""
    first, second = Scripted([END_STEP], [0.9]), Scripted([END_STEP], [0.9])

    await first.answer("one?", seed=5)
    await second.answer("two?", seed=5)

    assert first.draft.history[0].seed != second.draft.history[0].seed
