"""Answers that are HTTP and JSON, but not what the protocol promises.

Only what can be noticed: another text in place of the right one is an answer like any other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.chaos.faults import Wire

_DEEP = json.loads("[" * 300 + "]" * 300)
_NO_TEXT: tuple[Any, ...] = (5, 1.5, True, [], {}, ["x"], _DEEP, "\ud800")
_NO_COUNT: tuple[Any, ...] = (-1, 1.5, "3", True, float("nan"), float("inf"), 2**70, [], {}, _DEEP)
_NO_NUMBER: tuple[Any, ...] = ("0.9", True, float("nan"), float("-inf"), {}, "", _DEEP)
_NO_LIST: tuple[Any, ...] = (5, "x", True, {"a": 1}, "[]")
_NO_OBJECT: tuple[Any, ...] = (5, "x", True, [], [[]], float("nan"))
_NO_TRUTH: tuple[Any, ...] = (2, "yes", None, [], {})

_NEEDED = frozenset(
    (
        *("choices", "usage", "data", "tokens_evaluated", "tokens_predicted", "stop_type"),
        *("truncated", "generated_text", "details", "generated_tokens", "response", "done"),
        *("done_reason", "prompt_tokens", "message", "score", "templated_text", "text", "index"),
    )
)
"""Left out, or null, they are missed. Of others the lack has a meaning, or none."""

_OPEN_WORDS = ("stop_reason", "matched_stop")
"""A text or a number; null says that the answer is finished."""


def places(value: Any, key: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Every (container, key in it, nearest name) of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for at, item in list(items):
        name = at if isinstance(at, str) else key
        yield value, at, name
        if isinstance(item, dict | list):
            yield from places(item, name)


def instead_of(value: Any, name: str, dice: random.Random) -> Any:
    """What no server may say where *value* stood."""
    if name in _OPEN_WORDS:
        return dice.choice([[], {}, 1.5, True, ["x"]])
    if name in _NEEDED and dice.random() < 0.2:
        return None
    if isinstance(value, list) and [type(item) for item in value] == [float]:
        return dice.choice(_NO_LIST[1:])  # a verdict may be such a list, or the number in it
    kinds: dict[type, tuple[Any, ...]] = {
        str: _NO_TEXT,
        bool: _NO_TRUTH,
        int: _NO_COUNT,
        float: _NO_NUMBER,
        list: _NO_LIST,
        dict: _NO_OBJECT,
        type(None): (_DEEP, {"a": []}),
    }
    return dice.choice(kinds[type(value)])


def mutated(body: bytes, dice: random.Random) -> bytes:
    """The document with one thing wrong."""
    document = json.loads(body)
    container, at, name = dice.choice([*places(document)] or [([document], 0, "")])
    if isinstance(container, dict) and name in _NEEDED and dice.random() < 0.2:
        del container[at]
    else:
        container[at] = instead_of(container[at], name, dice)
    return json.dumps(document).encode()


async def wrong_document(wire: Wire) -> bool:
    wire.send(mutated(wire.body, wire.dice))
    return True


async def wrong_header(wire: Wire) -> bool:
    """Some servers report their counts in headers."""
    nasty = wire.dice.choice(("-1", "x", "NaN", "1e9", "9" * 30, "", "3.0", "true", "[]"))
    wire.headers.update(dict.fromkeys(wire.headers, nasty))
    wire.send(wire.body)
    return True
