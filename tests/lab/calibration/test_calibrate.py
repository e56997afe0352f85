"""From prompts to a file with a delta, and refusing it for another PRM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ConfigurationError, InputError, step_model
from rsd_graph.answer.flops import PerRole
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.calibration.calibrate import (
    Calibration,
    Plan,
    calibrate,
    write_calibration,
)
from rsd_graph.lab.calibration.objectives import Choice, Objective
from rsd_graph.lab.calibration.one_pass import Sample, Trial
from rsd_graph.lab.calibration.sweep import point
from rsd_graph.lab.statistics import wilson_interval
from rsd_graph.providers.address import model_identity
from rsd_graph.stacks.calibrated import calibrated_delta
from tests.helpers.counted_models import setup

TOKENS = Accounting()
PRM = "qwen-prm+vllm+http://gpu3:8000/v1#Qwen/PRM-7B"


async def is_right(prompt: str, answer: str) -> bool:
    return "wrong" not in answer


def trial(*rewards: float | None, right: bool | None = None) -> Trial:
    return Trial("q", rewards, [1] * len(rewards), right)


def calibration(delta: float = 0.5) -> Calibration:
    sample = Sample([trial(0.9, 0.2), trial(0.8)])
    plan = Plan(Objective("target share", 0.5), TOKENS)
    return Calibration(plan, Choice(delta, point(sample, delta, TOKENS)), 0.25, None, sample)


async def test_an_accuracy_is_chosen_on_most_prompts_and_checked_by_running_rsd() -> None:
    """The draft is wrong in its second step: only a delta above its reward of 0.1 helps."""
    prompts = [f"question {n}" for n in range(10)]
    accounting = Accounting(PerRole(1, 10, 2))
    plan = Plan(Objective("accuracy", 0.7), accounting)

    found = await calibrate(setup(), prompts, plan, is_right=is_right, check_on=setup())

    assert found.choice.delta == 0.9
    assert found.choice.estimate.accuracy is not None
    assert found.choice.estimate.accuracy.value == 1.0
    assert found.choice.accuracy_bound == pytest.approx(7 / (7 + 1.6448536**2), abs=1e-6)
    assert found.held_out_target_share == pytest.approx(1 / 3)
    assert found.check is not None
    assert found.check.prompts == 3
    assert found.check.accuracy is not None
    assert found.check.accuracy.measured.value == 1.0


async def test_a_budget_needs_no_target() -> None:
    """Nobody sits in the target's seat, and the accuracy stays unknown."""
    plan = Plan(Objective("target share", 0.5, confidence=0.5), TOKENS)

    found = await calibrate(
        setup(target=refuses), [f"question {n}" for n in range(10)], plan, is_right=is_right
    )

    assert found.choice.delta == 0.9
    assert found.choice.bound is not None
    assert found.choice.bound.share == pytest.approx(1 / 3)
    assert (found.choice.estimate.accuracy, found.check) == (None, None)
    assert found.target_alone is None


async def test_what_cannot_be_answered_is_refused_before_anybody_is_asked() -> None:
    """An accuracy without golds, and a value without costs."""
    nobody = setup(draft=refuses)

    with pytest.raises(InputError, match="accuracy needs to know what is right"):
        await calibrate(nobody, ["q"], Plan(Objective("accuracy", 0.5), TOKENS))
    with pytest.raises(ConfigurationError, match="what draft and PRM cost"):
        await calibrate(nobody, ["q"], Plan(Objective("best value"), TOKENS), is_right=is_right)


def refuses(request: Any) -> Any:
    raise AssertionError("this model must not be asked")


def test_a_calibration_serves_its_own_prm_wherever_it_runs(tmp_path: Path) -> None:
    """Bound to family, provider and model; the address may change."""
    file = tmp_path / "calibrated.json"

    write_calibration(file, calibration(0.61), {"draft": "embedded:draft", "prm": PRM})

    elsewhere = "qwen-prm+vllm+http://other:9000/v1#Qwen/PRM-7B"
    assert calibrated_delta(file, elsewhere) == 0.61
    with pytest.raises(ConfigurationError, match="calibrated for another PRM"):
        calibrated_delta(file, "qwen-prm+vllm+http://gpu3:8000/v1#Qwen/PRM-72B")


def test_the_file_says_what_was_chosen_and_why(tmp_path: Path) -> None:
    """Objective, estimate and sweep are plain data, equal to what was returned."""
    file = tmp_path / "calibrated.json"

    content = write_calibration(file, calibration(0.5), {"prm": PRM})

    assert json.loads(file.read_text()) == json.loads(json.dumps(content))
    assert content["objective"] == {"kind": "target share", "goal": 0.5, "confidence": 0.95}
    assert content["estimate"]["target_share"] == pytest.approx(1 / 3)
    assert [entry["delta"] for entry in content["sweep"]] == [0.2, 0.8, 0.9]


def test_a_file_of_an_older_version_still_loads(tmp_path: Path) -> None:
    """The format has only grown: what 0.1.0 wrote first had no objective and no estimate."""
    file = tmp_path / "calibrated.json"
    old = {
        "format": "rsd-graph calibration 1",
        "delta": 0.4,
        "draft": "embedded:draft",
        "prm": "embedded:prm",
        "choice": {"delta": 0.4, "gamma": 0.1, "share": 0.05},
        "sweep": [],
    }
    file.write_text(json.dumps(old))

    assert calibrated_delta(file, "embedded:prm") == 0.4


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    """A JSON file that is no calibration is not read as one."""
    file = tmp_path / "other.json"
    file.write_text('{"delta": 0.7}')

    with pytest.raises(ConfigurationError, match="no calibration file"):
        calibrated_delta(file, "embedded:prm")


def test_identities_leave_the_address_out() -> None:
    """Embedded models are named as they are, objects by their class and model."""
    assert model_identity("vllm+http://a:1/v1#m") == "vllm#m"
    assert model_identity("embedded:prm") == "embedded:prm"
    assert model_identity(step_model("vllm+http://a:1/v1#m", "draft")) == "HostedModel#m"
    assert model_identity(object()) == "object"


async def test_the_target_alone_is_its_own_answers() -> None:
    """What the estimates are compared with: right, in one request of 9 + 6 tokens each."""
    plan = Plan(Objective("accuracy", 0.5, confidence=0.5), TOKENS)

    found = await calibrate(setup(), ["one", "two"], plan, is_right=is_right)

    assert found.target_alone is not None
    assert found.target_alone.accuracy == wilson_interval(2, 2)
    assert found.target_alone.cost == 6
