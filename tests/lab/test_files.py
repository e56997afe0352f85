"""Files survive killed processes, full disks, other processes, and every text there is."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import types
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.files import JsonLines, lock, write_whole

ANY_TEXT = st.text(st.characters(categories=None, exclude_categories=()), max_size=40)
"""Lone surrogates, line separators and control characters included."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def write(path: Path, *rows: dict[str, object]) -> None:
    lines = JsonLines(path)
    for row in rows:
        lines.append(row)
    lines.close()


def read(path: Path) -> list[dict[str, object]]:
    lines = JsonLines(path)
    lines.close()
    return list(lines.rows())


def as_written(text: str) -> str:
    """Two halves of a surrogate pair that stand side by side are that pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_TEXT, min_size=1, max_size=5))
def test_every_text_is_read_back_from_a_line_of_ascii(path: Path, texts: list[str]) -> None:
    """Nothing in a text ends its line, for us or for `splitlines`, or cannot be written."""
    path.unlink(missing_ok=True)
    write(path, *({"text": text} for text in texts))

    lines = path.read_bytes().decode("ascii").splitlines()

    assert len(lines) == len(texts)
    assert [row["text"] for row in read(path)] == [as_written(text) for text in texts]


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\u0085", "\x0b", "\x1c"])
def test_files_of_older_versions_hold_separators_as_they_are(path: Path, sign: str) -> None:
    """Only a newline ends a line: what was written raw is read, and gone on with."""
    row = {"text": f"one{sign}two"}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")

    write(path, {"text": "three"})

    assert read(path) == [row, {"text": "three"}]


@pytest.mark.parametrize("kept", range(1, len('{"text": "né😀"}'.encode())))
def test_a_line_may_be_torn_anywhere(path: Path, kept: int) -> None:
    """Inside a character too; the lines before it stay, and the next one takes its place."""
    path.write_bytes(b'{"n": 1}\n' + '{"text": "né😀"}'.encode()[:kept])

    lines = JsonLines(path)
    untouched = path.read_bytes()
    lines.append({"n": 2})
    lines.close()

    assert untouched.endswith(lines.torn)
    assert read(path) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    "content", [b"hello\n", b'{"n": 1}\n[2]\n', b"\xff\xfe\n", b"[" * 9999 + b"\n"]
)
def test_what_holds_no_objects_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    """The line is named."""
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"line [12] of .* cannot be read"):
        read(path)

    assert path.read_bytes() == content


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, a device; and a folder that cannot be made."""
    (tmp_path / "file").touch()

    for place in (tmp_path, Path("/dev/full"), tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match="cannot be opened"):
            JsonLines(place)


HOLDING = """
import sys
from pathlib import Path
from rsd_graph.lab.files import JsonLines

lines = JsonLines(Path(sys.argv[1]))
lines.append({"n": 1})
print("held", flush=True)
sys.stdin.read()
"""


def test_two_processes_never_write_one_file(path: Path) -> None:
    """The second is refused with one clear error; a lock ends with its process, however killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert holder.stdout is not None
    holder.stdout.readline()

    with pytest.raises(ConfigurationError, match=r"is in use, or cannot be locked.*one run at a"):
        JsonLines(path)
    holder.kill()
    holder.communicate()

    assert read(path) == [{"n": 1}]


def test_nor_do_two_runs_in_one_process(path: Path) -> None:
    """And a file that was refused is not held by whoever was refused."""
    first = JsonLines(path)

    with pytest.raises(ConfigurationError, match="is in use"):
        JsonLines(path)
    first.close()

    assert read(path) == []


def test_windows_locks_a_byte_beyond_the_content(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`msvcrt` is a stand-in here: a locked byte could not be read there by anybody else."""
    asked: list[tuple[int, int]] = []

    def locking(descriptor: int, mode: int, count: int) -> None:
        asked.append((os.lseek(descriptor, 0, os.SEEK_CUR), count))
        if len(asked) > 1:
            raise OSError(errno.EACCES, "Permission denied")

    module = types.ModuleType("msvcrt")
    module.locking, module.LK_NBLCK = locking, 2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", module)
    monkeypatch.setattr(sys, "platform", "win32")

    lines = JsonLines(path)
    lines.append({"n": 1})
    with pytest.raises(ConfigurationError, match=r"Permission denied"):
        JsonLines(path)
    lines.close()

    assert asked == [(2**40, 1)] * 2
    assert path.read_bytes() == b'{"n": 1}\n'


class FullDisk(FileIO):
    """Takes *room* bytes more, as the kernel does: the last write is cut short, then ENOSPC."""

    room: int | None = None

    def write(self, data: Any) -> int:
        if self.room is None:
            return super().write(data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data)[: self.room]
        type(self).room = self.room - len(part)
        return super().write(part)


@pytest.mark.parametrize("room", [0, 1, 7])
def test_a_full_disk_costs_nothing_that_was_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """One error, no half line left; once there is room, the same file goes on."""
    monkeypatch.setattr("rsd_graph.lab.files.FileIO", FullDisk)
    lines = JsonLines(path)
    lines.append({"n": 1})
    monkeypatch.setattr(FullDisk, "room", room)

    with pytest.raises(ConfigurationError) as caught:
        lines.append({"n": 2})
    left = path.read_bytes()
    monkeypatch.setattr(FullDisk, "room", None)
    lines.append({"n": 3})
    lines.close()

    assert str(caught.value) == (
        f"{path} cannot be written: No space left on device. "
        "Every answer in it is kept: make room, and the same command goes on there."
    )
    assert left == b'{"n": 1}\n'
    assert read(path) == [{"n": 1}, {"n": 3}]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Whatever text it is; and nothing is left beside it, nor made where it cannot be."""
    file = tmp_path / "report.html"
    write_whole(file, "first")
    write_whole(file, "half a pair: \ud800")

    with pytest.raises(ConfigurationError, match="cannot be written: File exists"):
        write_whole(file / "below", "text")

    assert file.read_text(encoding="utf-8") == "half a pair: ?"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk does not cost the calibration that was there."""
    file = tmp_path / "calibrated.json"
    write_whole(file, "old")

    def no_space(self: Path, *_: object, **__: object) -> None:
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", no_space)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        write_whole(file, "new")

    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["calibrated.json"]


def test_a_lock_is_the_operating_systems(path: Path) -> None:
    """Two descriptors of one file exclude each other; closing the first frees it."""
    first, second = FileIO(path, "a+"), FileIO(path, "a+")
    lock(first)

    with pytest.raises(OSError, match="unavailable"):
        lock(second)
    first.close()
    lock(second)
    second.close()
