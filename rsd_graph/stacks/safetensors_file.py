"""Safetensors files, as bytes: eight bytes of length, a JSON header, then the tensors' bytes.

The format is https://huggingface.co/docs/safetensors. Tensors are copied, never computed with, so
neither numpy nor torch is needed.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rsd_graph.errors import ConfigurationError

_LENGTH = struct.Struct("<Q")
_LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""
_PIECE = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor stands.

    Attributes:
        file: The file that holds it.
        dtype: Its numbers' type, in the format's words.
        shape: Its dimensions.
        start: Its first byte in the file.
        size: Its bytes.
    """

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


_BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a header of another shape raises."""


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of *file*, by name.

    Raises:
        ConfigurationError: Not a safetensors file, or a truncated one.
    """
    try:
        with file.open("rb") as source:
            length = _LENGTH.unpack(source.read(_LENGTH.size))[0]
            if length > _LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            header = json.loads(source.read(length))
        begin, end = _LENGTH.size + length, file.stat().st_size
        tensors = {
            name: _tensor(file, begin, entry)
            for name, entry in header.items()
            if name != "__metadata__"
        }
        if any(tensor.start + tensor.size > end for tensor in tensors.values()):
            raise ValueError("it ends before its last tensor does")
    except (
        OSError,
        struct.error,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error}.", expected="a whole safetensors file"
        ) from error
    return tensors


def _tensor(file: Path, begin: int, entry: Any) -> Tensor:
    first, last = map(int, entry["data_offsets"])
    if not 0 <= first <= last:
        raise ValueError(f"offsets {first} to {last}")
    shape = tuple(int(number) for number in entry["shape"])
    return Tensor(file, str(entry["dtype"]), shape, begin + first, last - first)


def write_tensors(
    file: Path, tensors: Mapping[str, Tensor], copied: Callable[[int], None] = lambda size: None
) -> None:
    """Write *tensors*, copied from their files, as a new file.

    Args:
        file: Where to.
        tensors: Name in the new file -> what stands there.
        copied: Told of every piece of so many bytes.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, tensor in tensors.items():
        offsets = [position, position + tensor.size]
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets}
        position += tensor.size
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % _LENGTH.size)  # tensors begin at a multiple of eight
    with file.open("xb") as target:
        target.write(_LENGTH.pack(len(content)) + content)
        for tensor in tensors.values():
            with tensor.file.open("rb") as source:
                source.seek(tensor.start)
                _copy(source, target, tensor.size, copied)


def copy_file(file: Path, target: Path, copied: Callable[[int], None]) -> None:
    """Write *target* as a copy of *file*; *copied* is told of every piece."""
    with file.open("rb") as source, target.open("xb") as sink:
        _copy(source, sink, file.stat().st_size, copied)


def _copy(source: BinaryIO, sink: BinaryIO, size: int, copied: Callable[[int], None]) -> None:
    while size:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise ConfigurationError(f"{source.name} became shorter while it was read.")
        sink.write(piece)
        size -= len(piece)
        copied(len(piece))
