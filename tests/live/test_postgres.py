"""LangGraph's checkpoints in a real PostgreSQL, which the suite starts itself."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("psycopg")
pytest.importorskip("langgraph.checkpoint.postgres")

from benchmarks.postgres.server import binaries, postgres
from benchmarks.postgres.storage import grown
from benchmarks.postgres.trials import at_once, killed, travelled
from tests.helpers.pages import ROOT, blocks

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL: `apt install postgresql`"),
]

PAGE = ROOT / "docs" / "how-to" / "durable.md"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres() as started:
        yield started


def test_64_answers_at_once_are_stored(url: str) -> None:
    """Over eight connections; each is the answer of a run without a checkpointer."""
    assert asyncio.run(at_once(url, 64)) == 64


def test_killed_answers_resume_to_the_undisturbed_one(url: str) -> None:
    """SIGKILL at 30 random moments: in a model's call, or while the database writes."""
    deaths, answers, same = asyncio.run(killed(url, 30))

    assert deaths >= 30
    assert (answers, same) == (answers, answers)


def test_every_decision_can_be_gone_back_to(url: str) -> None:
    """And decided anew: the steps before stay, the old answer is still there."""
    decided, right = asyncio.run(travelled(url))

    assert (decided, right) == (18, 18)


def test_room_and_reading_grow_linearly(url: str) -> None:
    """Four times the steps: four times the rows, stored and read, the whole history set aside."""
    few, many = (asyncio.run(grown(url, steps)) for steps in (25, 100))

    assert many.kilobytes < 4.2 * few.kilobytes
    assert many.resume < 4.2 * few.resume
    assert many.newest < 4.2 * few.newest
    assert many.looped < 4.2 * few.looped
    assert many.listed > 8 * few.listed  # PostgreSQL joins by hashing: its plan, not ours


def test_the_samples_of_the_page_run(url: str) -> None:
    """Its blocks one after the other, with this server in place of the reader's."""
    names: dict[str, Any] = {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for block in blocks(PAGE, "py"):
            text = block.text.replace("postgresql://rsd@db/rsd", url)
            exec(compile(text, str(PAGE), "exec"), names)

    assert said.getvalue().count("\\boxed{58}") == 2
