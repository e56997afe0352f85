"""The KV cache of a simulated server: blocks of 16 tokens, as vLLM's block pool manages them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

BLOCK = 16


class KVCache:
    """Which block holds which prefix, who uses it, and which is overwritten next.

    Full blocks are registered when they are scheduled, so that a later request of the same pass
    already finds them. Blocks nobody uses keep what they hold until their place is needed; the one
    unused for longest goes first.

    Args:
        tokens: How many fit.
        reads_prefixes: Off for step pooling: nothing is ever found.
    """

    def __init__(self, tokens: int, *, reads_prefixes: bool = True) -> None:
        self._reads_prefixes = reads_prefixes
        self._never_used = tokens // BLOCK
        self._users = list[int]()
        self._unused = OrderedDict[int, None]()
        self._holds: dict[int, int] = {}
        self._found: dict[int, int] = {}

    def take_known(self, tokens: Sequence[str]) -> Blocks:
        """The blocks of the longest known prefix; the last token always needs computing."""
        blocks = Blocks()
        if not self._reads_prefixes:
            return blocks
        for start in range(0, len(tokens) - BLOCK, BLOCK):
            key = hash((blocks.key, *tokens[start : start + BLOCK]))
            if (block := self._found.get(key)) is None:
                break
            self._use(block)
            blocks.places.append(block)
            blocks.key, blocks.registered = key, blocks.registered + 1
        return blocks

    def grow(self, blocks: Blocks, tokens: Sequence[str], count: int) -> bool:
        """Make room for the first *count* of *tokens*; false, and nothing done, if it is full."""
        missing = -(-count // BLOCK) - len(blocks.places)
        if missing > self._never_used + len(self._unused):
            return False
        for _ in range(missing):
            block = self._next()
            self._use(block)
            blocks.places.append(block)
        while (blocks.registered + 1) * BLOCK <= count:
            self._register(blocks, tokens)
        return True

    def release(self, blocks: Blocks) -> None:
        """Nobody computes on these any more; the end of a text is overwritten before its start."""
        for block in reversed(blocks.places):
            self._users[block] -= 1
            if not self._users[block]:
                self._unused[block] = None
        blocks.places.clear()

    def _register(self, blocks: Blocks, tokens: Sequence[str]) -> None:
        start = blocks.registered * BLOCK
        blocks.key = hash((blocks.key, *tokens[start : start + BLOCK]))
        block = blocks.places[blocks.registered]
        if self._found.setdefault(blocks.key, block) == block:
            self._holds[block] = blocks.key
        blocks.registered += 1

    def _next(self) -> int:
        """The block to write next: a new one as long as there are any."""
        if self._never_used:
            self._never_used -= 1
            self._users.append(0)
            return len(self._users) - 1
        block = next(iter(self._unused))
        self._forget(block)
        return block

    def _use(self, block: int) -> None:
        self._users[block] += 1
        self._unused.pop(block, None)

    def _forget(self, block: int) -> None:
        if (key := self._holds.pop(block, None)) is not None:
            del self._found[key]


class Blocks:
    """The blocks of one request, in order.

    Attributes:
        places: Which.
        registered: How many of them are full and known by what they hold.
        key: Of everything up to the last registered one.
    """

    def __init__(self) -> None:
        self.places: list[int] = []
        self.registered = 0
        self.key = 0
