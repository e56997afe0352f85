"""What SECURITY.md promises and no other test holds."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import pytest

from rsd_graph import ChatRSD
from rsd_graph.embedded.task import held_out_problems

pytest.importorskip("xllamacpp", reason="asks the shipped models")


def test_logs_hold_neither_question_nor_answer(caplog: pytest.LogCaptureFixture) -> None:
    """At the chattiest level of every logger of the process, an answer leaves numbers only."""
    problem = held_out_problems(1)[0]
    caplog.set_level(logging.DEBUG)

    ChatRSD().invoke(problem.question)

    lines = [*problem.question.splitlines(), *problem.steps]
    assert "rsd.answer_finished" in caplog.text
    assert [line for line in lines if line in caplog.text] == []


@pytest.mark.parametrize("model", ["draft", "target", "prm"])
def test_the_shipped_models_are_served_on_loopback_only(model: str) -> None:
    """Nobody on the network can ask them."""
    from rsd_graph.embedded.engine import endpoint_for

    assert urlsplit(endpoint_for(model).url).hostname == "127.0.0.1"
