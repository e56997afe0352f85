"""A verdict learned from what happened to a draft's steps."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from rsd_graph import CapabilityError, InputError, StepRequest
from rsd_graph.answer.state import Candidate, Certainty
from rsd_graph.lab.calibration.learn import learn, write_learning
from rsd_graph.lab.calibration.seen import Course, seen_steps
from rsd_graph.providers.prm import Learned
from tests.helpers.counted_models import draft_writes, setup
from tests.helpers.hashed import chance

PROMPTS = [f"question {n}" for n in range(40)]


def telling(request: StepRequest) -> Candidate:
    """The counted draft, which is mostly less sure of what is wrong."""
    step = draft_writes(request)
    luck = chance(request.prefix.conversation[-1]["content"], step["text"])
    lowest = math.log(0.2 + 0.5 * luck if "wrong" in step["text"] else 0.5 + 0.5 * luck)
    told = Certainty(tokens=2, mean=lowest / 2, lowest=lowest, first_entropy=0.1)
    return {**step, "certainty": told}


async def test_the_prms_verdicts_are_the_labels() -> None:
    """RSD runs as it would: the target puts the second step right, and the third is seen after."""
    seen = await seen_steps(setup(telling), ["one", "two"], Course())

    assert [[step.good for step in steps] for steps in seen] == [[True, False, True]] * 2
    assert [step.features["position"] for step in seen[0]] == [0.0, 1.0, 2.0]
    assert [step.features["reward"] for step in seen[0]] == [0.9, 0.1, 0.9]


async def test_or_right_answers_are() -> None:
    """The draft answers alone, and all its steps are what the answer is."""

    async def is_right(prompt: str, answer: str) -> bool:
        return prompt == "two" and "wrong 1" in answer

    seen = await seen_steps(setup(telling), ["one", "two"], Course("answers"), is_right)

    assert [[step.good for step in steps] for steps in seen] == [[False] * 3, [True] * 3]


async def test_a_verdict_is_learned_and_tested_on_other_prompts(tmp_path: Path) -> None:
    """The file says what it is worth there, and which models it belongs to; it scores steps."""
    names = {"draft": "vllm+http://h/v1?logprobs=on#small", "prm": "embedded:prm"}

    found = await learn(setup(telling), PROMPTS, Course(slip=0.1), **names)

    content = write_learning(tmp_path / "learned.json", found)
    learned = Learned.load(tmp_path / "learned.json")
    assert json.loads((tmp_path / "learned.json").read_text()) == content
    assert (content["draft"], content["prm"]) == ("vllm#small", "embedded:prm")
    assert content["label"] == "the PRM's reward is at least 0.7"
    assert (found.prompts, found.held_out.prompts, found.held_out.steps) == (40, 12, 36)
    assert found.held_out.auroc is not None
    assert found.held_out.auroc > 0.9
    assert found.held_out.band.asked < 0.6
    assert learned.lesson.weights["largest_surprise"] + learned.lesson.weights["mean_surprise"] < 0
    low, high = learned.unsure
    assert low <= 0.7 <= high


async def test_a_prms_reward_can_be_weighed_beside_them() -> None:
    """Where answers are the labels: the reward is one feature more."""

    async def is_right(prompt: str, answer: str) -> bool:
        return int(prompt.split()[1]) % 2 == 0

    course = Course("answers", beside_prm=True)

    found = await learn(setup(telling), PROMPTS, course, draft="d", prm="p", is_right=is_right)

    assert "reward" in found.lesson.weights
    assert found.lesson.label == "the draft, left alone, answers rightly"


async def test_what_cannot_be_learned() -> None:
    """No golds, a PRM that would foresee itself, no share, a silent draft."""
    with pytest.raises(InputError, match="need to know what is right"):
        await learn(setup(telling), PROMPTS, Course("answers"), draft="d", prm="p")
    with pytest.raises(InputError, match="foresees its own verdict"):
        Course("verdicts", beside_prm=True)
    with pytest.raises(InputError, match="a slip of 1"):
        Course(slip=1.0)
    with pytest.raises(CapabilityError, match="logprobs=on"):
        await learn(setup(), PROMPTS, Course(), draft="d", prm="p")


async def test_a_prompt_that_stands_twice_is_asked_once() -> None:
    """Its steps would be counted under one name."""
    seen = await seen_steps(setup(telling), ["one", "one"], Course())

    assert [len(steps) for steps in seen] == [3]
