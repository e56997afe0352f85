"""Standard input and output that are closed, full or left, and waits that are told."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from rsd_graph.cli.terminal.streams import typed, usable_streams
from rsd_graph.cli.terminal.waiting import Waiting

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", ["short", "long " * 99_999])
def test_a_full_disk_is_one_line(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once or when the last of it is written."""
    full = FULL.open("w")
    monkeypatch.setattr("sys.stdout", full)

    with pytest.raises(SystemExit, match="1"), usable_streams():
        sys.stdout.write(words)

    sys.stdout.close()
    with suppress(OSError):
        full.close()
    assert capsys.readouterr().err == "error: the output: No space left on device\n"


def test_closed_streams_are_empty_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """`rsd-graph ... <&- >&- 2>&-`."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)

    with usable_streams():
        sys.stdout.write("said to nobody")
        asked = typed("the question")

    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()
    assert asked == b""


def test_a_terminal_is_told_what_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cursor that only blinks looks like a program that hangs."""
    stream = io.TextIOWrapper(io.BytesIO(b"What?\n"))
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stream)

    assert typed("the question") == b"What?\n"
    assert capsys.readouterr().err.startswith("Type the question, then Enter and Ctrl-")


def test_one_line_for_each_wait_of_an_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    """Sixty-four answers that wait for one server say it once; another server waits by itself."""
    waiting = Waiting()
    for role, created in [("draft", 0.0), ("draft", 0.5), ("target", 0.6), ("draft", 1.0)]:
        facts = {"role": role, "endpoint": "http://h", "attempt": 1, "wait": 1.0, "error": "Busy"}
        made = {"msg": "rsd.retry_scheduled role=...", "created": created, **facts}
        waiting.handle(logging.makeLogRecord(made))
    waiting.handle(logging.makeLogRecord({"msg": "rsd.answer_failed"}))

    assert capsys.readouterr().err == (
        "draft at http://h: Busy at attempt 1; next in 1.0 s\n"
        "target at http://h: Busy at attempt 1; next in 1.0 s\n"
        "draft at http://h: Busy at attempt 1; next in 1.0 s\n"
    )
