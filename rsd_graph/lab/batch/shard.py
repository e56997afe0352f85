"""One of several parts of a file of questions: which questions are its own.

A part is found by a hash of the question, so workers need not know of each other, nor who reads
which line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

from rsd_graph.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Shard:
    """Part *index* of *count*; parts count from 0.

    Raises:
        ConfigurationError: There is no such part.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            count = max(1, self.count)
            last = f" to {count - 1}/{count}" if count > 1 else ""
            raise ConfigurationError(
                f"there is no shard {self}.", expected=f"0/{count}{last}: shards count from 0"
            )

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The shard that *text* names, such as `"3/8"`.

        Raises:
            ConfigurationError: It names none.
        """
        found = re.fullmatch(r"(-?\d{1,9})/(-?\d{1,9})", text, re.ASCII)
        if found is None:
            raise ConfigurationError(f"{text!r} names no shard.", expected="i/n, such as 0/8")
        return cls(int(found[1]), int(found[2]))

    def holds(self, key: str) -> bool:
        """Whether the question that *key* stands for is in this part."""
        return digest(key) % self.count == self.index

    @property
    def file_name(self) -> str:
        """What its answers are called in a folder of all parts."""
        return f"answers-{self.index:05d}-of-{self.count:05d}.jsonl"

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def digest(key: str) -> int:
    """A number of 64 bits, the same on every machine and in every run."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())
