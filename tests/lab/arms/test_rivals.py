"""SpecReason, and targets served otherwise, over real llama.cpp servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from rsd_graph import CapabilityError, ConfigurationError, Endpoint
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.experiment import Experiment
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.registry import step_model
from tests.helpers import counted_models as models
from tests.helpers.bigram import write_bigram_model

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that says 8 to whoever asks for a grade, with a context long enough to be asked."""
    folder = tmp_path_factory.mktemp("gguf")
    return f"{write_bigram_model(folder / 'judge.gguf', context=1024)}?context=1024"


def setup(judge: str) -> Setup:
    model = f"embedded:{judge}"
    models = {"draft": model, "target": model, "prm": f"judge+{model}"}
    return Experiment({**models, "delta": 7, "max_tokens": 64, "max_steps": 5}).setup()


def arm_of(name: str, made_from: Setup) -> Arm:
    return named_arm(name, made_from, lambda question, text: text)


async def test_specreason_keeps_what_the_target_grades_high_enough(judge: str) -> None:
    """The digit said, 8, reaches 7: the draft's steps stand, and the grading is the target's."""
    arm = arm_of("specreason", setup(judge))

    outcome = await arm.solve("What is 3+4?", 0)

    assert arm.name == "SpecReason 7"
    assert outcome.text == "First, 3+4=7.\n\nSo 7."
    assert [(step["source"], step["reward"]) for step in outcome.steps] == [("draft", 8)] * 2
    ledger = outcome.ledger
    assert (ledger["prm"]["calls"], ledger["scored_steps"]) == (0, 0)
    assert (ledger["target"]["calls"], ledger["target"]["completion_tokens"]) == (2, 2)
    assert ledger["target_steps"] == 0


async def test_specreason_rewrites_what_the_target_grades_lower(judge: str) -> None:
    """A threshold of 9 is not reached: the target writes every step."""
    outcome = await arm_of("specreason:9", setup(judge)).solve("What is 3+4?", 0)

    assert {step["source"] for step in outcome.steps} == {"target"}
    assert outcome.ledger["target_steps"] == 2


async def test_confspec_asks_the_target_where_the_draft_is_unsure_of_itself(judge: str) -> None:
    """The draft gives 6.75 of its steps: unsure below 7, so the target grades each one as well."""
    unsure = await arm_of("confspec:5:7:6", setup(judge)).solve("What is 3+4?", 0)
    sure = await arm_of("confspec:7:8:6", setup(judge)).solve("What is 3+4?", 0)

    assert {step["source"] for step in unsure.steps} == {"draft"}
    assert unsure.ledger["target"]["calls"] == 2
    assert unsure.ledger["draft"]["calls"] == sure.ledger["draft"]["calls"] == 4
    assert sure.ledger["target"]["calls"] == 0


async def test_what_a_judge_spends_is_its_own_models(judge: str) -> None:
    """And wasted, since no word of it is in the answer; nothing is left for a PRM there is not."""
    outcome = await arm_of("verdict:6:judge+draft", setup(judge)).solve("What is 3+4?", 0)

    ledger = outcome.ledger
    assert (ledger["prm"]["calls"], ledger["prm"]["prompt_tokens"], ledger["scored_steps"]) == (
        *(0, 0),
        0,
    )
    assert ledger["wasted_draft_tokens"] == 2
    assert ledger["draft"]["completion_tokens"] == ledger["kept_draft_tokens"] + 2


async def test_drafts_that_vote_are_wasted(judge: str) -> None:
    """Three more of each step: all arrive at 7, the step stands, and their tokens were for that."""
    outcome = await arm_of("specguard:3", setup(judge)).solve("What is 3+4?", 0)

    ledger = outcome.ledger
    assert {step["source"] for step in outcome.steps} == {"draft"}
    assert ledger["draft"]["calls"] == 2 * (1 + 3)
    assert ledger["wasted_draft_tokens"] == 3 * ledger["kept_draft_tokens"]
    assert (ledger["prm"]["calls"], ledger["scored_steps"]) == (0, 0)


async def test_a_judge_that_cannot_be_asked_is_refused(judge: str) -> None:
    """When the arm is made."""
    with pytest.raises(CapabilityError, match="cannot judge steps as judge"):
        arm_of("verdict:6:judge+target", models.setup())
    with pytest.raises(CapabilityError, match="cannot judge steps as qwen-prm"):
        arm_of("verdict:6:qwen-prm+draft", setup(judge))


async def test_a_judge_is_a_prm_like_any_other(judge: str) -> None:
    """`--prm judge+... --delta 7`: the expected grade, 0.75 * 8 + 0.25 * 3 = 6.75, is below 7."""
    outcome = await arm_of("rsd", setup(judge)).solve("What is 3+4?", 0)

    assert [step["reward"] for step in outcome.steps] == [pytest.approx(6.75, abs=0.01)] * 2
    assert {step["source"] for step in outcome.steps} == {"target"}
    assert outcome.ledger["scored_steps"] == 2


def test_specreason_needs_a_target_that_can_be_asked(judge: str) -> None:
    """And a threshold on the scale of digits."""
    with pytest.raises(CapabilityError, match="cannot grade steps"):
        arm_of("specreason", models.setup())
    with pytest.raises(ConfigurationError, match="outside the PRM's reward range"):
        arm_of("specreason:70", setup(judge))


async def test_speculative_decoding_is_the_same_target_served_otherwise() -> None:
    """Token for token the same greedy answers, and llama.cpp did draft tokens for them."""
    served = "embedded:target?context=901&speculate=draft"
    shipped = Experiment().setup(123)
    plain, speculative = arm_of("target", shipped), arm_of(f"served:{served}", shipped)

    for problem in held_out_problems(3):
        expected = await plain.solve(problem.question, 0)
        found = await speculative.solve(problem.question, 0)

        assert found.text == expected.text
        assert (
            found.ledger["target"]["completion_tokens"]
            == (expected.ledger["target"]["completion_tokens"])
        )
    assert speculative.name == f"served {served}"
    timings = await drafted(step_model(served, "target").endpoint)  # type: ignore[attr-defined]
    assert timings["draft_n_accepted"] > 0.5 * timings["draft_n"] > 0


async def drafted(endpoint: Endpoint) -> dict[str, int]:
    """What a server says of its own drafting."""
    prompt = (
        f"<|im_start|>user\n{held_out_problems(1)[0].question}<|im_end|>\n<|im_start|>assistant\n"
    )
    body = {"prompt": prompt, "n_predict": 64, "temperature": 0}
    found: dict[str, int] = (await Client(endpoint).post("/completion", body, dict))["timings"]
    return found


def test_an_endpoint_to_compare_with_is_checked_at_once() -> None:
    """As every endpoint string is; and one is needed."""
    for name in ("served:nowhere", "served:", "served"):
        with pytest.raises(ConfigurationError, match=r"not an endpoint string|cannot be read"):
            arm_of(name, models.setup())


def test_what_cannot_be_served_to_speculate_is_refused(tmp_path: Path) -> None:
    """A drafter is a model, shipped or a file."""
    with pytest.raises(ConfigurationError, match="is no file"):
        step_model(f"embedded:target?speculate={tmp_path}/none.gguf", "target")
