"""When a model was at work on a step, as a timeline shows it."""

from __future__ import annotations

import pytest

from rsd_graph import Prefix, StepRequest, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.early.spans import given_up, write_step, writing_span
from rsd_graph.providers.scripted import ScriptedStepModel


def test_a_request_that_is_given_up_took_until_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was in vain, and its tokens are an upper bound."""
    monkeypatch.setattr("time.time", lambda: 100.0)

    span = given_up("target", seconds=2.5, tokens=7)

    assert span == {"role": "target", "started": 97.5, "ms": 2500, "use": "wasted", "tokens": 7}


async def test_a_step_is_written_in_its_phase_and_knows_when(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an older version has stored does not, and is not told."""
    monkeypatch.setattr("time.time", lambda: 100.0)
    model = ScriptedStepModel([candidate("so", "eos", cost=usage(completion_tokens=3, ms=20.0))])
    request = StepRequest(Prefix([], phase="thinking"), 8)

    step = await write_step(model, request)

    assert model.history == [request]
    assert (step["phase"], step["ended"]) == ("thinking", "closed")
    assert writing_span("draft", step, "kept") == [
        {"role": "draft", "started": 100.0, "ms": 20.0, "use": "kept", "tokens": 3}
    ]
    assert writing_span("draft", candidate("so"), "kept") == []
