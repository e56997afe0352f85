"""`rsd-trace/1`: one answer with everything that led to it, whoever wrote it down.

The same object is `response_metadata["rsd"]`, what `rsd-graph solve --json` prints, a line of a
`batch` file or an `eval` journal, and what the server sends to whoever asks for the `trace`.
`rsd-trace-1.schema.json` in this folder says so to programs in any language; it is
`written_schema()`. Readers ignore what they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Required

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypedDict

from rsd_graph.answer.ledger import Entry, Ledger, stored_ledger
from rsd_graph.answer.state import Step
from rsd_graph.errors import InputError

SCHEMA = "rsd-trace/1"
"""The name of this format, with its version."""


class Mistakes(TypedDict):
    """Where the PRM was wrong, by indices of steps, up to the first settled step that is wrong."""

    rejected_right: list[int]
    """Its draft was right, and rejected."""
    accepted_wrong: list[int]
    """Its draft was wrong, and accepted."""


class Written(TypedDict, total=False):
    """One answer, as our programs write it: each of them what it knows."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)  # type: ignore[misc]

    steps: Required[list[Step]]
    ledger: Entry | None
    """What it cost; what an older version did not count is absent."""
    finish_reason: str | None
    acceptance_rate: float | None
    flops: dict[str, float] | None
    cost: float | None
    text: str
    answer: str
    """What the text boils down to."""
    arm: str
    """Who answered: `rsd`, or another arm of an evaluation."""
    question: str
    """Names the question; two files are compared by it."""
    prompt: str
    """What was asked, in words."""
    gold: str
    """The answer that was expected."""
    correct: bool | None
    """Whether the answer is right; `None` where nothing is right or wrong."""
    delta: float | None
    """The threshold; `None` where no threshold alone decided."""
    prm_mistakes: Mistakes
    """Only where every step can be checked, as in the task of the shipped models."""
    seconds: float
    notice: str
    """What to know before trusting the answer."""
    error: str | None
    """What stopped it, if anything did."""


class Trace(TypedDict):
    """One answer, as the viewer shows it."""

    id: str
    """Names the question; two files are compared by it."""
    arm: str
    """Who answered: `rsd`, or another arm of an evaluation."""
    question: str
    """What was asked, as text; empty if it was not kept."""
    answer: str
    """What the answer boils down to."""
    steps: list[Step]
    ledger: Ledger | None
    finish_reason: str | None
    gold: NotRequired[str]
    right: NotRequired[bool | None]
    delta: NotRequired[float]
    prm_mistakes: NotRequired[Mistakes]
    """Only where every step can be checked."""
    flops: NotRequired[Mapping[str, float] | None]
    cost: NotRequired[float | None]
    notice: NotRequired[str]
    """What to know before trusting the answer."""
    error: NotRequired[str]


def written_schema() -> dict[str, Any]:
    """The format as a JSON schema (draft 2020-12)."""
    schema = TypeAdapter(Written).json_schema(schema_generator=_Untitled)
    return {"$schema": _Untitled.schema_dialect, **schema, "title": SCHEMA}


class _Untitled(GenerateJsonSchema):
    """Without a title for each field: its name says it."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def trace_of(record: Mapping[str, Any], number: int = 0) -> Trace:
    """The trace in a record of any of our files.

    Args:
        record: An object with `steps`.
        number: Names the answer where the record does not.

    Raises:
        InputError: The record has no steps: it is not one of ours.
    """
    steps = record.get("steps")
    if not isinstance(steps, list) or not all(map(_is_step, steps)):
        raise InputError("this object has no steps.", expected="an answer of rsd-graph")
    trace = Trace(
        id=str(record.get("question_id") or record.get("question") or number),
        arm=str(record.get("arm", "rsd")),
        question=_question(record),
        answer=str(record.get("answer") or record.get("extracted") or record.get("text") or ""),
        steps=steps,
        ledger=stored_ledger(record["ledger"]) if record.get("ledger") else None,
        finish_reason=record.get("finish_reason"),
    )
    for name in ("gold", "delta", "prm_mistakes", "flops", "cost", "notice"):
        if record.get(name) is not None:
            trace[name] = record[name]
    if "correct" in record or "right" in record:
        trace["right"] = record.get("right", record.get("correct"))
    if record.get("error"):
        trace["error"] = str(record["error"])
    return trace


def _is_step(step: object) -> bool:
    return isinstance(step, Mapping) and {"text", "source", "reward", "accepted"} <= set(step)


def _question(record: Mapping[str, Any]) -> str:
    """The last thing that was asked."""
    prompt = record.get("prompt", "")
    if isinstance(prompt, str):
        return prompt
    turns: Sequence[Mapping[str, object]] = prompt
    return str(turns[-1].get("content", "")) if turns else ""
