"""The doctor finds what is wrong and passes what is right."""

from __future__ import annotations

from rsd_graph import (
    AuthenticationError,
    RewardModel,
    ScriptedRewardModel,
    ScriptedStepModel,
    StepModel,
    StepRequest,
    candidate,
)
from rsd_graph.doctor import SHIPPED, Check, examine
from rsd_graph.providers.registry import reward_model, step_model
from rsd_graph.providers.scripted import FunctionStepModel
from rsd_graph.state import Candidate


def writer(ending: str = "eos", *, drifts: bool = False) -> FunctionStepModel:
    """Two steps and an end; one that *drifts* writes something else at every call."""
    calls = iter(range(1000))

    def write(request: StepRequest) -> Candidate:
        number = next(calls) if drifts else len(request.prefix.steps)
        last = len(request.prefix.steps) >= 2
        return candidate(f"step {number}", ending if last else "separator")  # type: ignore[arg-type]

    return FunctionStepModel(write)


async def findings(draft: StepModel, target: StepModel, prm: RewardModel) -> dict[str, Check]:
    """Every check by role and name."""
    return {f"{c.role}: {c.name}": c async for c in examine(draft, target, prm)}


async def test_the_shipped_stack_is_fit() -> None:
    """On real servers and the shipped models, nothing fails."""
    draft = step_model("embedded:draft", "draft")
    target = step_model("embedded:target", "target")

    checks = [c async for c in examine(draft, target, reward_model("embedded:prm"), SHIPPED)]

    assert [check for check in checks if check.verdict == "fail"] == []
    assert "prm: tells right from wrong" in {f"{c.role}: {c.name}" for c in checks}


async def test_a_key_that_is_refused_is_named_with_its_advice() -> None:
    """An endpoint's own error is the finding, and its other checks are not tried."""
    refused = AuthenticationError("HTTP 401.", role="draft", hint="Set the key.")

    found = await findings(
        ScriptedStepModel([refused]), writer(), ScriptedRewardModel([0.9, 0.1, 0.9, 0.1, 0.1])
    )

    assert found["draft: answers"].verdict == "fail"
    assert found["draft: answers"].fix == "Set the key."
    assert "draft: batches" not in found


async def test_a_prm_read_the_wrong_way_round_fails() -> None:
    """A wrong step that scores above the right one is a swapped label, not a matter of delta."""
    found = await findings(writer(), writer(), ScriptedRewardModel([0.1, 0.9, 0.1, 0.9, 0.9]))

    assert found["prm: tells right from wrong"].verdict == "fail"


async def test_a_prm_that_scores_runs_differently_fails() -> None:
    """Look-ahead scores several steps at once: they must be scored as they are one by one."""
    found = await findings(writer(), writer(), ScriptedRewardModel([0.9, 0.1, 0.9, 0.8, 0.1]))

    assert found["prm: scores a run of steps"].verdict == "fail"


async def test_a_server_that_samples_at_temperature_zero_is_warned_about() -> None:
    """Two greedy requests with two texts: a default of the server leaks in."""
    prm = ScriptedRewardModel([0.9, 0.1, 0.9, 0.1, 0.1])

    found = await findings(writer(drifts=True), writer(), prm)

    assert found["draft: temperature 0 is greedy"].verdict == "warn"
    assert found["target: temperature 0 is greedy"].verdict == "pass"


async def test_a_model_that_never_ends_is_warned_about() -> None:
    """An answer that shows no end of text cannot be told apart from its steps."""
    prm = ScriptedRewardModel([0.9, 0.1, 0.9, 0.1, 0.1])

    found = await findings(writer("length"), writer(), prm)

    assert found["draft: separator and end told apart"].verdict == "warn"
