"""What LangChain's tracers see of a run: who worked, for how much, and nothing twice.

A node's span has the name of the node's model and what the node added to the ledger, so that the
spans of a run add up to its ledger. It holds what is new: the steps before it are in the spans that
settled them, and a trace grows with the answer, not with its square.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, cast

from langgraph.types import TracePolicy

from rsd_graph.answer.ledger import Entry, Ledger, Usage
from rsd_graph.answer.state import RSDState, Update
from rsd_graph.providers.base import Models
from rsd_graph.providers.names import public_name


class Spent(Update, total=False):
    """A node's update, with what only tracers read."""

    spent: Entry
    """What the node added to the ledger; no channel of the state, so LangGraph leaves it alone."""


class _Traced(TypedDict):
    """Arguments of LangGraph's `add_node`."""

    metadata: dict[str, str]
    trace_policy: TracePolicy


def traced(node: str, models: Models) -> _Traced:
    """How a node is shown: with the name of the model it asks, if it asks one."""
    asked = {"draft": models.draft, "score": models.prm, "target": models.target}
    metadata = {}
    if node in asked:
        name = public_name(asked[node])
        metadata = {"ls_provider": name.provider, "ls_model_name": name.model}
    return {"metadata": metadata, "trace_policy": _POLICY}


def _place(state: RSDState) -> dict[str, int]:
    """Where in the answer a node works."""
    return {"step": len(state.get("steps") or ())}


def _news(update: Spent) -> dict[str, object]:
    """What a node found out; the ledger so far is the sum of what was spent."""
    return {name: value for name, value in update.items() if name != "ledger" and value != []}


_POLICY = TracePolicy(process_inputs=_place, process_outputs=_news)


def added(after: Ledger, before: Ledger) -> Entry:
    """What makes the one ledger of the other: only what has changed."""
    changed = {name: value for name, value in after.items() if value != before.get(name)}
    return cast("Entry", {name: _minus(value, before, name) for name, value in changed.items()})


def _minus(value: object, before: Ledger, name: str) -> object:
    old = cast("Mapping[str, object]", before)[name]
    if isinstance(value, int) and isinstance(old, int):
        return value - old
    new, used = cast("Usage", value), cast("Usage", old)
    return {key: new[key] - used[key] for key in new}  # type: ignore[literal-required]
