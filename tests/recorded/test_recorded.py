"""Moving code moves nothing else: what the package did before its rooms were rearranged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.recorded.record import record

BEFORE: dict[str, Any] = json.loads(
    Path(__file__).with_name("before_the_house.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    pytest.importorskip("xllamacpp")
    return record()


@pytest.mark.parametrize("what", ["endpoint strings", "worlds", "messages"])
def test_it_does_what_it_did(what: str, now: dict[str, Any]) -> None:
    """Endpoint strings, events, ledgers and every sampled answer are what they were."""
    assert now[what] == BEFORE[what]


@pytest.mark.parametrize("what", ["public names", "ledger"])
def test_no_name_is_lost(what: str, now: dict[str, Any]) -> None:
    """Public names and ledger keys may be added to; none goes."""
    assert set(BEFORE[what]) <= set(now[what])


def test_no_flag_is_lost(now: dict[str, Any]) -> None:
    """Every command takes the options it took."""
    lost = {
        name: sorted(set(options) - set(now["commands"].get(name, ())))
        for name, options in BEFORE["commands"].items()
    }

    assert {name: options for name, options in lost.items() if options} == {}
