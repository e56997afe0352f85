"""How much room a checkpointed answer takes, for answers of 50 to 400 steps of 400 characters."""

from __future__ import annotations

import sqlite3
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from rsd_graph import Limits, candidate, create_rsd_graph, initial_state
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.scripted import FunctionStepModel, ScriptedRewardModel

CONFIG: Any = {"configurable": {"thread_id": "one"}}


def answer(saver: Any, steps: int, durability: Any = "async") -> None:
    """Settle that many steps, all of the draft's, with this checkpointer."""

    def write(request: StepRequest) -> Candidate:
        index = len(request.prefix.steps)
        return candidate(f"{index:0400}", "eos" if index == steps - 1 else "separator")

    model = FunctionStepModel(write)
    limits = Limits(max_tokens=10**6, max_steps=10**6)
    prm = ScriptedRewardModel([0.9] * steps)
    graph = create_rsd_graph(draft=model, target=model, prm=prm, limits=limits)
    graph.compile(checkpointer=saver).invoke(initial_state("q"), CONFIG, durability=durability)


def bytes_in_memory(steps: int, durability: Any = "async") -> int:
    """Serialised bytes an `InMemorySaver` holds afterwards."""
    saver = InMemorySaver()
    answer(saver, steps, durability)
    blobs = sum(len(data) for _, data in saver.blobs.values())
    return blobs + sum(len(w[2][1]) for task in saver.writes.values() for w in task.values())


def bytes_in_sqlite(steps: int, durability: Any = "async") -> int:
    """Size of a SQLite database afterwards."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    answer(SqliteSaver(connection), steps, durability)
    pages = "select page_count * page_size from pragma_page_count, pragma_page_size"
    size = connection.execute(pages).fetchone()[0]
    connection.close()
    return int(size)


def main() -> None:
    """Print the table of `docs/how-to/resume-and-rewind.md`."""
    print("| steps | memory | SQLite | SQLite, durability `exit` |\n|--:|--:|--:|--:|")
    for steps in (50, 100, 200, 400):
        sizes = bytes_in_memory(steps), bytes_in_sqlite(steps), bytes_in_sqlite(steps, "exit")
        print(f"| {steps} | " + " | ".join(f"{size / 1000:,.0f} kB" for size in sizes) + " |")


if __name__ == "__main__":
    main()
