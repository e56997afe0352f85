"""Killed at any place, on a full disk, under a clock that jumps: what was answered is not lost."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

pytest.importorskip("math_verify", reason="grading is the extra 'eval'")
pytest.importorskip("langgraph.checkpoint.sqlite")
if not Path("/proc/self/fd").exists():
    pytest.skip("limits and kills are Linux's", allow_module_level=True)

from tests.chaos.crashes import killed_to_the_end, requests_of
from tests.chaos.killed_jobs import jobs
from tests.chaos.rounds import Findings, Setting, play
from tests.chaos.server import WorldServer
from tests.chaos.stacks import Stack


def test_a_killed_batch_ends_as_if_nobody_had(tmp_path: Path) -> None:
    """SIGKILL at random requests: the answers are those of an uninterrupted run."""
    with WorldServer(seed=1) as server:
        whole, killed = jobs(tmp_path / "whole", server.url, 3)[0], jobs(tmp_path, server.url, 3)[0]
        sent = requests_of(whole, server)

        kills, wrong = killed_to_the_end(killed, whole, server, random.Random(4), sent)

    assert wrong == []
    assert kills > 0


@pytest.mark.parametrize("number", [0, 1], ids=["batch", "eval"])
def test_a_full_disk_is_one_line_and_no_loss(number: int, tmp_path: Path) -> None:
    """The command stops and says so; with room again it goes on, and ends as if there had been."""
    with WorldServer(seed=1) as server:
        whole, full = (jobs(folder, server.url, 3)[number] for folder in (tmp_path / "w", tmp_path))
        requests_of(whole, server)
        size = whole.result.stat().st_size

        stopped, said = full.live(server, None, most_bytes=size // 2), full.said()
        kept = full.read(full.result)
        again = full.live(server, None)

    assert (stopped, again) == (1, 0)
    assert said.count("\n") <= 2
    assert "cannot be written: File too large." in said
    assert 0 < len(kept) < len(full.read(full.result))
    assert full.read(full.result) == whole.read(whole.result)


def test_a_calibration_is_whole_or_not_there(tmp_path: Path) -> None:
    """On a full disk it says so in a line; with room again it goes on and is that of any run."""
    with WorldServer(seed=1) as server:
        whole, full = (jobs(folder, server.url, 3)[2] for folder in (tmp_path / "w", tmp_path))
        requests_of(whole, server)

        stopped = full.live(server, None, most_bytes=whole.result.stat().st_size - 1)
        said, is_there = full.said(), full.result.exists()
        again = full.live(server, None)

    assert (stopped, is_there, again) == (1, False, 0)
    assert said.count("\n") <= 2
    assert "cannot be written: File too large." in said
    assert full.read(full.result) == whole.read(whole.result)


def test_a_clock_that_jumps_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting and counting go by a clock that only runs forward; dates come from servers."""
    now, dice, found = time.time, random.Random(7), Findings()
    monkeypatch.setattr(time, "time", lambda: now() + dice.uniform(-1e7, 1e7))
    with WorldServer(seed=3) as server:
        stack = Stack("vllm", "llamacpp", "pure")
        play(Setting(stack, "astream", 2, 0.0, "raise", 8, 0.3, 0.0, 16, 10.0), server, 0, found)

    assert found.violations == []
