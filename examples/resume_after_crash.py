"""A process dies in the middle of an answer; the next one finishes it. Runs on the shipped models.

Needs `pip install langgraph-checkpoint-sqlite`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver

from rsd_graph import create_rsd_graph, initial_state, reward_model, step_model

QUESTION = initial_state(
    "Carl has 14 cards.\nMonday buys 65.\nTuesday sells 54.\nWednesday finds 33.\nHow many cards?"
)
CONFIG: Any = {"configurable": {"thread_id": "cards"}}


def answer(database: str, *, crash_after: int | None = None) -> None:
    """Start the answer, or go on with it if the database knows it already."""
    with SqliteSaver.from_conn_string(database) as saver:
        graph = create_rsd_graph(
            draft=step_model("embedded:draft", "draft"),
            target=step_model("embedded:target", "target"),
            prm=reward_model("embedded:prm"),
        ).compile(checkpointer=saver)
        state = graph.get_state(CONFIG)
        if state.values.get("finish_reason"):
            return
        # `state.next` is no question to ask: it may be empty although the answer is unfinished.
        start = None if state.created_at else QUESTION
        events = graph.stream(start, CONFIG, stream_mode="custom", durability="sync")
        for event in events:
            # A step is on disk when the next one is drafted.
            if event["type"] == "step_drafted" and event["index"] == crash_after:
                os.kill(os.getpid(), signal.SIGKILL)
            if event["type"] == "step_settled":
                text = event["step"]["text"]
                print(f"process {os.getpid()}, step {event['index'] + 1}: {text}", flush=True)


def main() -> None:
    """Let one process die in the middle, and finish its answer in this one."""
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder, "answers.sqlite"))
        first = subprocess.run([sys.executable, __file__, database], check=False)
        print("The first process was killed:", first.returncode == -signal.SIGKILL, flush=True)
        answer(database)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        answer(sys.argv[1], crash_after=2)
    else:
        main()
