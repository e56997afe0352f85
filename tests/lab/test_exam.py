"""Exams: how their judges judge; open-ended ones by the rewards of a reward model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from rsd_graph import InputError, RewardError, ScriptedRewardModel, candidate, reward_threshold
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate, Source, Step
from rsd_graph.cli import app
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.arms.alone import alone, settled
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.exam import candies_exam, open_exam, prm_mistakes
from rsd_graph.lab.journal import Journal
from rsd_graph.lab.question import Question
from rsd_graph.lab.questions.datasets import load_dataset
from rsd_graph.lab.questions.rows import read_prompt
from rsd_graph.lab.report.findings import Findings
from rsd_graph.lab.report.summary import compare
from rsd_graph.lab.report.text import text_table
from rsd_graph.lab.runner import answer_all
from rsd_graph.providers.base import Prefix, Scores
from tests.helpers.counted_models import setup
from tests.helpers.fake_endpoint import FakeEndpoint

POEMS = [Question(f"poems/{n}", f"A poem about {n}.", None, "open") for n in range(5)]


class Taste:
    """An outcome reward model that likes answers without the word "wrong": 2, or -1."""

    reward_range = (float("-inf"), float("inf"))

    async def score(self, prefix: Prefix, candidates: list[Candidate]) -> Scores:
        return Scores([-1.0 if "wrong" in c["text"] else 2.0 for c in candidates], usage())


async def test_the_table_has_rewards_and_wins(tmp_path: Path) -> None:
    """Mean reward with its interval, and the share of wins against the target, ties half."""
    arms = [
        alone(setup(), "draft"),
        alone(setup(), "target"),
        rsd(setup(), reward_threshold(0.7)),
    ]
    exam, findings = open_exam(POEMS, Taste()), Findings()

    with Journal(tmp_path / "j.jsonl", {}) as journal:
        for arm in arms:
            records = await answer_all(arm, POEMS, exam.grade, journal)
            findings = findings.with_arm(arm, records, Accounting())

    assert findings.headers[:3] == ("arm", "reward [95 %]", "wins % [95 %] vs target (p)")
    assert [row[:3] for row in findings.cells()] == [
        ("draft only", "-1.00 [-1.00, -1.00]", "0.0 [0.0, 0.0] (0.062)"),
        ("target only", "2.00 [2.00, 2.00]", ""),
        ("RSD 0.7", "2.00 [2.00, 2.00]", "50.0 [50.0, 50.0] (1)"),
    ]
    draft = findings.as_json()[0]
    assert (draft["accuracy"], draft["reward"]["value"]) == (None, -1.0)
    assert (draft["vs_target"]["only_first"], draft["vs_target"]["only_second"]) == (0, 5)
    assert "reward [95 %]" in text_table(findings.headers, findings.cells())


def test_wins_losses_and_ties_are_paired_by_question() -> None:
    """Two wins, one loss, one tie, and an answer that failed, which loses."""
    first = [{"reward": r} for r in (3.0, 1.0, -2.0, 0.5)] + [{"correct": False}]
    second = [{"reward": r} for r in (2.0, 0.0, -1.0, 0.5, -9.0)]

    found = compare(first, second)

    assert (found.only_first, found.only_second) == (2, 2)
    assert found.difference.value == 0.0
    assert found.p_value == 1.0


async def test_the_judge_rates_the_whole_answer_to_the_question_alone() -> None:
    """One reward for one answer: no system prompt, no steps."""
    judge = ScriptedRewardModel([0.25])

    verdict = await open_exam(POEMS, judge).grade(POEMS[0], "line one\n\nline two")

    assert verdict == {"correct": None, "extracted": None, "reward": 0.25}
    ((prefix, (answer,)),) = judge.history
    assert prefix.conversation == [{"role": "user", "content": "A poem about 0."}]
    assert (answer["text"], answer["ended"]) == ("line one\n\nline two", "eos")


async def test_a_reward_that_is_none_is_an_error() -> None:
    """NaN is never a verdict."""
    with pytest.raises(RewardError, match="reward nan"):
        await open_exam(POEMS, ScriptedRewardModel([float("nan")])).grade(POEMS[0], "text")


async def test_open_ended_answers_do_not_vote() -> None:
    """A majority of poems means nothing, and says so."""
    arm = named_arm("majority:2", setup(), open_exam(POEMS, Taste()).extract)

    with pytest.raises(InputError, match="best-of-n instead of a majority"):
        await arm.solve("q", 0)


async def test_our_own_problems_are_graded_exactly() -> None:
    """Only the number in the last box counts, and it must be the answer itself."""
    exam = candies_exam(2)
    question, (problem, _) = exam.questions[0], exam.problems

    found = [
        (await exam.grade(question, text))["correct"]
        for text in (f"\\boxed{{{problem.answer}}}", f"\\boxed{{{problem.answer}.0}}", "none")
    ]

    assert (question.id, question.gold) == ("candies/0", str(problem.answer))
    assert found == [True, False, False]
    assert exam.extract(question.text, "\\boxed{1} so \\boxed{7}") == 7


@pytest.mark.parametrize(
    ("row", "text", "subject"),
    [
        (
            {"instruction": "Write a poem.", "output": "Roses", "dataset": "helpful_base"},
            "Write a poem.",
            "helpful_base",
        ),
        ({"prompt": "Write."}, "Write.", None),
        ({"question": "Why?"}, "Why?", None),
        ({"problem": "1+1?", "answer": "2"}, "1+1?", None),
    ],
)
def test_every_shape_of_row_can_be_asked(
    tmp_path: Path, row: dict[str, str], text: str, subject: str | None
) -> None:
    """AlpacaEval's own format, prompts, and questions, with or without a gold."""
    (tmp_path / "set.jsonl").write_text(json.dumps(row))

    (question,) = load_dataset(tmp_path / "set.jsonl", read=read_prompt)

    assert (question.text, question.subject) == (text, subject)
    assert (question.id, question.kind, question.gold) == ("set/0", "open", None)


def test_a_row_without_a_question_is_refused(tmp_path: Path) -> None:
    """And what was looked for is named."""
    (tmp_path / "set.jsonl").write_text('{"text": "?"}')

    with pytest.raises(InputError, match="instruction, prompt, question or problem"):
        load_dataset(tmp_path / "set.jsonl", read=read_prompt)


def alpaca(path: Path, count: int) -> Path:
    """A file in AlpacaEval's own format."""
    rows = [
        {"instruction": p.question, "output": "a reference", "dataset": "helpful_base"}
        for p in held_out_problems(count)
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


async def classify(request: web.Request) -> web.Response:
    """vLLM's /classify with a taste: 1 for answers of an even length, -1 for others."""
    body = await request.json()
    reward = 1.0 if len(body["messages"][-1]["content"]) % 2 == 0 else -1.0
    item = {"index": 0, "label": "LABEL_0", "probs": [reward], "num_classes": 1}
    return web.json_response({"data": [item], "usage": {"prompt_tokens": 9, "total_tokens": 9}})


async def evaluated(*arguments: str | Path) -> Any:
    """The command in a thread of its own, so that this loop can serve."""
    command = ["eval", *map(str, arguments)]
    return await asyncio.to_thread(CliRunner().invoke, app, command)


async def test_from_the_command_line_with_one_orm_as_judge_and_prm(tmp_path: Path) -> None:
    """The paper's setting: the reward model that judges answers decides on steps too, at 0."""
    pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")
    pytest.importorskip("matplotlib")
    file, journal = alpaca(tmp_path / "alpaca_eval.json", 3), tmp_path / "answers.jsonl"
    page = tmp_path / "page.html"
    async with FakeEndpoint({"/classify": classify}) as server:
        orm = f"orm+vllm+{server.url}#Skywork-Reward"
        writers = ["--draft", "embedded:draft", "--target", "embedded:target"]
        models = [*writers, "--prm", orm, "--delta", "0", "--max-tokens", "128"]
        options = ["--dataset", file, "--judge", orm, *models, "--journal", journal]
        first = await evaluated(*options, "--arms", "target,rsd", "--json")
        asked = len(server.bodies("/classify"))
        again = await evaluated(*options, "--arms", "target,rsd", "--report", page)
        asked_again = len(server.bodies("/classify")) - asked
        other = await evaluated(*options, "--judge", f"orm+vllm+{server.url}#Other")

    found = json.loads(first.stdout)
    target, guided = found["arms"]
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert (found["conditions"]["judge"], lines[0]["config"]["judge"]) == (orm, orm)
    assert {line["reward"] for line in lines[1:]} <= {1.0, -1.0}
    mean = sum(line["reward"] for line in lines if line.get("arm") == "target only") / 3
    assert target["reward"]["value"] == pytest.approx(mean)
    assert guided["tokens"]["target"] > 0
    assert asked_again == 0
    assert "wins % [95 %] vs target (p)" in again.stdout
    assert "expected: None" not in page.read_text(encoding="utf-8")
    assert "another configuration" in other.stderr


def test_every_step_of_our_own_task_is_checked() -> None:
    """A right draft that was rejected, a wrong one that passed; what follows it is not judged."""
    (problem,) = held_out_problems(1)
    good, wrong = problem.steps[1], "1+1=3."

    def at(text: str, reward: float | None, rejected: str | None = None) -> Step:
        accepted = rejected is None
        source: Source = "draft" if accepted else "target"
        return {**settled(candidate(text), source), "reward": reward, "rejected_text": rejected}

    steps = [
        at(problem.steps[0], 0.9),
        at(good, 0.1, rejected=good),
        at(wrong, 0.8),
        at(wrong, 0.9),
    ]

    assert prm_mistakes(problem, steps) == {"rejected_right": [1], "accepted_wrong": [2]}
    assert prm_mistakes(problem, [at(wrong, None)]) == {"rejected_right": [], "accepted_wrong": []}
