"""Text as people's editors and spreadsheets write it: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from rsd_graph.errors import ConfigurationError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: str | Path) -> str:
    """What a text file holds.

    Raises:
        ConfigurationError: It cannot be read, or it is not UTF-8.
    """
    try:
        return decoded(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error


def lines_of(path: str | Path, name: str = "") -> Iterator[str]:
    """The lines of a text file, one by one and without their ends; however long it is.

    Args:
        path: The file.
        name: What errors call it, if not by its path.

    Raises:
        ConfigurationError: See `read_text`.
    """
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, start=1):
                whole = line.removesuffix(b"\n").removesuffix(b"\r")
                yield from decoded(whole, name or str(path), first_line=number).split("\n")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error


def decoded(content: bytes, name: str, *, first_line: int = 1) -> str:
    r"""The text of UTF-8 bytes; its lines end in "\n", and a byte order mark is no part of it.

    Args:
        content: The bytes.
        name: Of the file, for errors.
        first_line: The number of the first line among them.

    Raises:
        ConfigurationError: They are not UTF-8; the message says where, and what they may be.
    """
    try:
        text = content.decode("utf-8-sig" if first_line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + first_line
        encoding = "UTF-16" if content.startswith(_UTF16) else "WINDOWS-1252"
        raise ConfigurationError(
            f"{name}, line {line}, is not UTF-8: the byte 0x{content[error.start]:02x} cannot "
            "stand there.",
            expected="text in UTF-8",
            hint=f"If it is text in {encoding}, convert it: iconv -f {encoding} -t UTF-8.",
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
