"""The graph that `langgraph dev` serves (see `langgraph.json`); the server adds the checkpointer.

Run `pip install "langgraph-cli[inmem]"`, then `langgraph dev` at the root of the repository.
"""

from __future__ import annotations

import os

from rsd_graph import create_rsd_graph, reward_model, step_model

graph = create_rsd_graph(
    draft=step_model(os.environ.get("RSD_DRAFT", "embedded:draft"), "draft"),
    target=step_model(os.environ.get("RSD_TARGET", "embedded:target"), "target"),
    prm=reward_model(os.environ.get("RSD_PRM", "embedded:prm")),
).compile()
