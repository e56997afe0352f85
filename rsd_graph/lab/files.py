"""Files that lose nothing when their process is killed or the disk is full."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from rsd_graph.errors import ConfigurationError

Row = dict[str, object]

_BLOCK = 2**16

_LOCKED_BYTE = 2**40
"""Where Windows locks: beyond any content, because a locked byte cannot be read."""


class JsonLines:
    r"""An append-only file of JSON objects for one process at a time.

    Lines are ASCII and end in "\n": no text in them can look like the end of a line, be cut inside
    a character, or fail to be encoded. The lock is the operating system's and ends with the
    process.

    Args:
        path: The file; made, with its folders, if it does not exist.

    Attributes:
        path: The same.
        torn: What stood after its last whole line when it was opened: what a crash left half
            written, or another file's content. Nothing of it is touched before the first `append`
            or `cut`.

    Raises:
        ConfigurationError: It cannot be opened or read, or another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():
                raise OSError(0, "it is no file")
            self._file = FileIO(path, "a+")
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be opened: {error.strerror}.") from error
        try:
            self._lock()
            self._find_end()
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            lock(self._file)
        except OSError as error:
            raise ConfigurationError(
                f"{self.path} is in use, or cannot be locked: {error.strerror}.",
                expected="one run at a time for each file",
                hint="Wait for the other run, or give this one a file of its own.",
            ) from error

    def _find_end(self) -> None:
        at = size = self._file.seek(0, os.SEEK_END)
        tail = b""
        while at and b"\n" not in tail:
            start = self._file.seek(max(0, at - _BLOCK))
            tail = self._file.read(at - start) + tail
            at = start
        self.torn = tail.rpartition(b"\n")[2]
        self._end = size - len(self.torn)

    def rows(self) -> Iterator[Row]:
        """The objects of all whole lines, read one by one.

        Raises:
            ConfigurationError: A line holds none; the message names it.
        """
        with self.path.open("rb") as file:
            number = 0
            while file.tell() < self._end:
                number += 1
                yield self._row(number, file.readline())

    def _row(self, number: int, line: bytes) -> Row:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            return row
        raise ConfigurationError(
            f"line {number} of {self.path} cannot be read.",
            expected="a JSON object on every line",
            hint="Nothing was changed. Is it another file, or was it edited?",
        )

    def append(self, row: Mapping[str, object]) -> None:
        """Add a line; it is on disk before this returns.

        Raises:
            ConfigurationError: It cannot be written; all lines before it are kept.
        """
        line = json_line(row)
        self.cut()
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(ConfigurationError):
                self.cut()
            raise self._unwritten(error) from error
        self._end += len(line)

    def cut(self) -> None:
        """Remove what stands after the last whole line.

        Raises:
            ConfigurationError: It cannot be removed.
        """
        try:
            self._file.truncate(self._end)
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"{self.path} cannot be written: {error.strerror}.",
            hint="Every answer in it is kept: make room, and the same command goes on there.",
        )

    def close(self) -> None:
        """Close the file, and let others have it."""
        self._file.close()


def json_line(row: Mapping[str, object]) -> bytes:
    """An object as a line of ASCII."""
    return json.dumps(row, default=str).encode("ascii") + b"\n"


def write_whole(path: Path, text: str) -> None:
    """Write a file all at once: if that fails, what stood there before still does.

    Raises:
        ConfigurationError: It cannot be written.
    """
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8", errors="replace")  # half a surrogate pair


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file to write beside *path*, which takes its place once the block has ended well.

    Raises:
        ConfigurationError: It cannot be written.
    """
    place = path.resolve()
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.replace(place)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def lock(file: FileIO) -> None:
    """Keep other processes out until this one closes the file or ends.

    Raises:
        OSError: Another one holds it.
    """
    if sys.platform == "win32":
        import msvcrt

        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
