"""How a state is stored between two nodes: LangGraph's channels for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from langgraph.channels import DeltaChannel

from rsd_graph.answer.state import RSDState, Step


def append_steps(steps: list[Step], updates: Sequence[list[Step] | None]) -> list[Step]:
    """Append each update to the settled steps; `None` starts over (a new run on this thread)."""
    result = list(steps)
    for update in updates:
        result = [] if update is None else result + update
    return result


class StoredState(RSDState):
    """`RSDState` with `steps` as increments, so that checkpoints grow linearly with the answer."""

    steps: Annotated[list[Step], DeltaChannel(append_steps, snapshot_frequency=1000)]
