"""Standard input and output, whatever they are connected to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, TextIO


@contextmanager
def usable_streams() -> Iterator[None]:
    """Around the program: closed streams are as good as empty ones, and a full disk is told once.

    Old terminals lack signs; they are shown as question marks.
    """
    sys.stdin = sys.stdin or _nothing("r")
    sys.stdout = sys.stdout or _nothing("w")
    sys.stderr = sys.stderr or _nothing("w")
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        sys.stdout = _nothing("w")  # what is left in the other would fail again at the very end
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"error: {error.filename or 'the output'}: {error.strerror}\n")
        sys.exit(1)


def _nothing(mode: Literal["r", "w"]) -> TextIO:
    return Path(os.devnull).open(mode, encoding="utf-8")


def typed(what: str) -> bytes:
    """All of standard input; on a terminal it says that *what* is waited for."""
    return typing_of(what).read()


def typing_of(what: str) -> BinaryIO:
    """Standard input, to be read; see `typed`."""
    if sys.stdin.isatty():
        sys.stderr.write(f"Type {what}, then Enter and Ctrl-{'Z' if os.name == 'nt' else 'D'}:\n")
    return sys.stdin.buffer
