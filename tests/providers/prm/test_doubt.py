"""A thinking model as the judge of a step: whether its next words would take it back."""

from __future__ import annotations

from math import log

import pytest

from rsd_graph import Prefix, candidate
from rsd_graph.answer.state import Message
from rsd_graph.providers.prm import DOUBT, TokenProbabilityPRM
from rsd_graph.providers.wires.completion import Token
from tests.helpers.scripted_wire import ScriptedWire

QUESTION = Prefix([Message(role="user", content="What is 3+4?")])


async def test_doubt_about_a_step_is_a_next_word_that_takes_it_back() -> None:
    """1 - P(wait or no), however these are spelled; what else might come does not matter."""
    said = Token(
        "Next", 0.0, {"Next": log(0.5), " Wait": log(0.2), "Wait, ": log(0.1), "No": -99.0}
    )
    wire = ScriptedWire([said])

    scores = await TokenProbabilityPRM(wire, DOUBT).score(QUESTION, [candidate("3+4=8.")])

    assert scores.rewards == [pytest.approx(0.7)]
    assert wire.requests[0].prompt == "[user: What is 3+4?]3+4=8.\n\n"
    assert wire.requests[0].max_tokens == 1


async def test_what_is_answered_stands_beyond_doubt() -> None:
    """Only thoughts are asked about; the wire's script has one line."""
    wire = ScriptedWire([Token("Wait", 0.0, {"Wait": log(0.25), "So": log(0.75)})])
    thought, answer = candidate("3+4=8."), candidate("So 8.")
    thought["phase"], answer["phase"] = "thinking", "answer"

    scores = await TokenProbabilityPRM(wire, DOUBT).score(QUESTION, [thought, answer])

    assert scores.rewards == [pytest.approx(0.75), 1.0]
    assert scores.verdicts == 1
