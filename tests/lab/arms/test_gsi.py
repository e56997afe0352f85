"""Guided Speculative Inference: tilt, soft choice, the target's turn, and what is booked."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from rsd_graph import CapabilityError, ConfigurationError, PerRole, StepRequest, candidate
from rsd_graph.answer.flops import flops
from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.options import Options
from rsd_graph.answer.state import Candidate
from rsd_graph.embedded.task import extract_answer, held_out_problems
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.arms.gsi import Guidance, guided
from rsd_graph.lab.experiment import Experiment
from rsd_graph.lab.journal import Journal
from rsd_graph.lab.question import Question
from rsd_graph.lab.report.summary import summarise
from rsd_graph.lab.runner import answer_all
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Models, Prefix, Scores
from rsd_graph.providers.scripted import FunctionStepModel
from tests.helpers import counted_models as models

Write = Callable[[StepRequest], Candidate]


class Reader(FunctionStepModel):
    """Writes what it is told to; finds every text as probable as `readings` says, by its start."""

    def __init__(self, write: Write, readings: dict[str, float] | None = None) -> None:
        super().__init__(write)
        self.readings = readings or {}
        self.read: list[tuple[str, str]] = []

    async def log_probability(
        self, prefix: Prefix, text: str, followed_by: str = ""
    ) -> tuple[float, Usage]:
        self.read.append((text, followed_by))
        found = next((v for k, v in self.readings.items() if text.startswith(k)), -1.0)
        return found, usage(prompt_tokens=30, cached_tokens=0, completion_tokens=1)


class Rewards:
    """The reward a text ends with."""

    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: list[Candidate]) -> Scores:
        return Scores([float(c["text"].split()[-1]) for c in candidates], usage(prompt_tokens=5))


def wrote(text: str, logprob: float | None = -1.0, ended: str = "eos") -> Write:
    cost = usage(prompt_tokens=9, completion_tokens=2)
    return lambda request: candidate(text, ended, logprob=logprob, cost=cost)  # type: ignore[arg-type]


def setup(draft: Write, target: Reader) -> Setup:
    return Setup(Models(FunctionStepModel(draft), target, Rewards()), Options(max_steps=4))


def arm_of(name: str, made_from: Setup) -> Arm:
    return named_arm(name, made_from, lambda question, text: text)


@pytest.mark.parametrize(
    ("reward", "target_logprob", "source"),
    [
        (0.9, -1.0, "draft"),
        (0.9, -8.9, "draft"),  # tilted by -7.9 / 20: 0.505
        (0.9, -9.1, "target"),  # 0.495
        (0.3, -1.0, "target"),
        (0.3, 3.1, "draft"),  # tilted the other way: 0.505
    ],
)
async def test_a_step_is_the_drafts_iff_its_tilted_reward_reaches_u(
    reward: float, target_logprob: float, source: str
) -> None:
    """r + (log P_M - log P_m) / beta >= u, with beta 20 and u 0.5 as the authors have them."""
    target = Reader(wrote("rewritten 0.8"), {"drafted": target_logprob})

    outcome = await guided(setup(wrote(f"drafted {reward}"), target), Guidance(1)).solve("q", 0)

    (step,) = outcome.steps
    assert step["source"] == source
    assert step["reward"] == reward
    assert step["rejected_text"] == (None if source == "draft" else f"drafted {reward}")


async def test_the_target_draws_n_steps_and_only_their_rewards_count() -> None:
    """After a rejection: soft best-of-n of the target, neither tilted nor checked against u."""

    def rewrite(request: StepRequest) -> Candidate:
        return wrote("good 0.4" if request.seed % 2 else "bad 0.0")(request)

    target = Reader(rewrite, {"good": -99.0})
    arm = guided(setup(wrote("drafted 0.1"), target), Guidance(8))

    outcome = await arm.solve("q", 0)

    assert outcome.text == "good 0.4"
    assert {text for text, _ in target.read} == {"drafted 0.1"}
    ledger = outcome.ledger
    assert (ledger["drafted_steps"], ledger["accepted_steps"], ledger["target_steps"]) == (8, 0, 1)
    assert (ledger["discarded_draft_tokens"], ledger["kept_draft_tokens"]) == (16, 0)
    assert ledger["target"]["completion_tokens"] == 16
    assert ledger["scored_steps"] == 16


async def test_the_choice_is_soft() -> None:
    """Of two drafts, one e times as good by beta r~, it is taken e times as often."""

    def draft(request: StepRequest) -> Candidate:
        better = request.seed % 2
        return wrote("better 0.95" if better else "worse 0.9")(request)

    arm = guided(setup(draft, Reader(wrote("never 1"))), Guidance(16))
    chosen = [(await arm.solve(f"question {n}", 0)).text for n in range(300)]

    share = sum(text.startswith("better") for text in chosen) / len(chosen)
    assert share == pytest.approx(math.e / (1 + math.e), abs=0.05)


async def test_reading_the_drafts_is_the_targets_work_but_not_its_words() -> None:
    """Full accounting has it, decode-only has not; the draft still solved the question alone."""
    target = Reader(wrote("never 1"))
    arm = guided(setup(wrote("drafted 0.9"), target), Guidance(4))

    outcome = await arm.solve("q", 0)

    ledger = outcome.ledger
    assert (ledger["target"]["calls"], ledger["target"]["completion_tokens"]) == (4, 0)
    assert (ledger["kept_draft_tokens"], ledger["discarded_draft_tokens"]) == (2, 6)
    spent = flops(ledger, PerRole(draft=0, target=1, prm=0))
    assert spent == {"decode_only": 0, "full": 2 * 4 * 30}


async def test_an_answer_the_target_only_read_counts_as_the_drafts(tmp_path: object) -> None:
    """The share "draft alone": the target wrote no step, however often it was called."""
    arm = guided(setup(wrote("drafted 0.9"), Reader(wrote("never 1"))), Guidance(2))

    async def grade(question: Question, text: str) -> dict[str, object]:
        return {"correct": True}

    with Journal(f"{tmp_path}/j.jsonl", {}) as journal:
        records = await answer_all(arm, [Question("q/0", "q", "1", "math")], grade, journal)

    assert records[0]["ledger"]["target"]["calls"] == 2
    assert summarise(arm, records, Accounting()).draft_alone == 1.0


async def test_a_draft_that_reports_nothing_is_read_by_its_own_model() -> None:
    """As the authors do where tokens do not match; the cost is the draft's."""
    write = wrote("drafted 0.6", logprob=None)
    draft, target = Reader(write, {"drafted": 3.0}), Reader(wrote("never 1"), {"drafted": -1.0})
    arm = guided(setup(write, target).with_models(draft=draft), Guidance(1))

    outcome = await arm.solve("q", 0)

    assert outcome.steps[0]["source"] == "target"  # 0.6 - 4 / 20 = 0.4
    assert draft.read == [("drafted 0.6", "")]
    assert outcome.ledger["draft"]["calls"] == 2


async def test_drafts_that_are_no_whole_steps_go_to_the_target_unscored() -> None:
    """Cut off or blank, there is nothing to choose from."""
    arm = guided(setup(wrote("cut", ended="length"), Reader(wrote("whole 0.7"))), Guidance(3))

    outcome = await arm.solve("q", 0)

    assert (outcome.text, outcome.steps[0]["reward"]) == ("whole 0.7", None)
    assert outcome.steps[0]["rejected_text"] == "cut"
    assert outcome.ledger["scored_steps"] == 3


async def test_a_target_that_writes_no_whole_step_ends_the_answer_as_in_rsd() -> None:
    """Its text stands as it is; nothing is scored."""
    arm = guided(setup(wrote("low 0.1"), Reader(wrote("cut", ended="context"))), Guidance(2))

    outcome = await arm.solve("q", 0)

    assert (outcome.text, outcome.finish_reason) == ("cut", "context")


def test_by_name() -> None:
    """n, and optionally beta and u."""
    made_from = setup(wrote("drafted 0.9"), Reader(wrote("x 1")))

    assert arm_of("gsi:4", made_from).name == "GSI-4 (beta 20, u 0.5)"
    assert arm_of("gsi:4:10:0.7", made_from).name == "GSI-4 (beta 10, u 0.7)"
    assert arm_of("gsi:4", made_from).delta is None


@pytest.mark.parametrize("name", ["gsi", "gsi:0", "gsi:4:0", "gsi:4:inf", "gsi:4:20:0.5:1"])
def test_numbers_that_cannot_be_used_are_refused(name: str) -> None:
    """Before anything is asked."""
    made_from = setup(wrote("drafted 0.9"), Reader(wrote("x 1")))

    with pytest.raises(ConfigurationError, match=r"cannot be (read|used)"):
        arm_of(name, made_from)


def test_a_target_that_cannot_read_is_refused() -> None:
    """GSI needs the target's log-probability of given text."""
    with pytest.raises(CapabilityError, match="probability of given text"):
        arm_of("gsi:4", models.setup())


async def test_the_shipped_models_are_guided() -> None:
    """End to end over llama.cpp: right answers, and every draft read by the target."""
    pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")
    arm = arm_of("gsi:2", Experiment().setup(124))
    problems = held_out_problems(4)

    outcomes = [await arm.solve(problem.question, 0) for problem in problems]

    right = [extract_answer(o.text) == p.answer for o, p in zip(outcomes, problems, strict=True)]
    assert sum(right) >= 3
    for outcome in outcomes:
        ledger = outcome.ledger
        laps = len(outcome.steps)
        assert ledger["accepted_steps"] + ledger["target_steps"] == laps
        assert ledger["drafted_steps"] == 2 * laps
        kept, lost = ledger["kept_draft_tokens"], ledger["discarded_draft_tokens"]
        assert ledger["draft"]["completion_tokens"] == kept + lost
        assert ledger["target"]["calls"] > ledger["drafted_steps"]
