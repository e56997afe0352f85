"""All a run may have under way before it is known to be needed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rsd_graph import ConfigurationError, Prefix, StepRequest, candidate
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.early.requests import EarlyRequests
from rsd_graph.providers.scripted import ScriptedStepModel

REQUEST = StepRequest(Prefix([{"role": "user", "content": "q"}]), max_tokens=8)


class Slow:
    """A model that never ends a step after the first."""

    endpoint = "http://slow"

    def __init__(self, first: int) -> None:
        self.first = first

    async def write_step(self, request: StepRequest) -> Any:
        if self.first:
            self.first -= 1
            return candidate("step")
        await asyncio.Event().wait()
        raise AssertionError


async def under_way() -> EarlyRequests:
    """A run with one draft under way ahead and one hedge."""
    early = EarlyRequests(Slow(1), Slow(0), 2, 0.5, hedge=0)
    await early.drafter.write_run("1", lambda ahead: REQUEST, Books(empty_ledger()))
    early.hedge.consider("1", candidate("step"), lambda: REQUEST)
    for _ in range(5):
        await asyncio.sleep(0)
    return early


@pytest.mark.parametrize(
    ("accepted", "roles"), [(0, ["draft"]), (1, ["draft", "target"]), (2, ["draft", "target"])]
)
async def test_what_a_rejection_makes_useless(accepted: int, roles: list[str]) -> None:
    """The hedge writes in place of the first: if that is accepted, it is in vain."""
    early = await under_way()

    told = [span["role"] for span in early.in_vain("1", accepted)]
    early.end("1")

    assert told == roles


async def test_the_end_of_a_run_ends_both() -> None:
    """And nothing of another run."""
    early = await under_way()

    ends = [early.end(run) for run in ("2", "1", "1")]

    assert [end.get("cancelled_calls") for end in ends] == [None, 2, None]
    assert (ends[1]["cancelled_draft_tokens"], ends[1]["cancelled_target_tokens"]) == (8, 8)


def test_what_is_not_said_starts_nothing_early() -> None:
    """Neither ahead nor instead; a model in Python is served nowhere."""
    quiet, served = EarlyRequests(Slow(0), ScriptedStepModel([])), EarlyRequests(Slow(0), Slow(0))

    assert (quiet.drafter._depth, quiet.hedge._threshold) == (0, None)
    assert quiet.drafter._pace.max_waste == 0.1
    assert (quiet.target_endpoint, served.target_endpoint) == (None, "http://slow")


@pytest.mark.parametrize(
    ("setting", "said"),
    [({"lookahead": -1}, "lookahead=-1"), ({"max_waste": 2}, "max_waste=2"), ({"hedge": 2}, "=2")],
)
def test_a_setting_outside_its_range_is_refused(setting: Any, said: str) -> None:
    """By its name."""
    with pytest.raises(ConfigurationError, match=said):
        EarlyRequests(Slow(0), Slow(0), **setting)


def test_settings_reach_whom_they_are_for() -> None:
    """Look-ahead and waste the draft, the hedge the target."""
    early = EarlyRequests(Slow(0), Slow(0), "auto", 0.3, hedge=0.4)

    assert (early.drafter._depth, early.drafter._pace.max_waste) == ("auto", 0.3)
    assert early.hedge._threshold == 0.4
