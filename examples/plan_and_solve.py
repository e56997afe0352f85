"""Plan, solve, check: a LangGraph pipeline whose reasoning node is RSD. Runs on the shipped models.

The compiled RSD graph is a node of the host graph: it reads `conversation` and writes `steps`.
"""

from __future__ import annotations

import re
from typing import Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from rsd_graph import create_rsd_graph, reward_model, step_model
from rsd_graph.answer.state import Message, Step


class State(TypedDict, total=False):
    """What the pipeline knows; `conversation` and `steps` are shared with the RSD graph."""

    question: str
    conversation: list[Message]
    steps: list[Step]
    verdict: str


def plan(state: State) -> State:
    """Tidy the question up: one event per line, and the question last."""
    lines = [line.strip() for line in re.split(r"(?<=[.?])\s+", state["question"].strip())]
    return {"conversation": [Message(role="user", content="\n".join(lines))]}


def check(state: State) -> State:
    """Recompute every equation of the answer: is the reasoning sound?"""
    equations = [
        found
        for step in state["steps"]
        for found in re.findall(r"(\d+) ?([-+*/]) ?(\d+) ?= ?(\d+)", step["text"])
    ]
    wrong = [equation for equation in equations if not is_right(*equation)]
    return {"verdict": f"{len(equations) - len(wrong)} of {len(equations)} equations hold"}


def is_right(left: str, sign: str, right: str, result: str) -> bool:
    """Whether one equation holds."""
    a, b = int(left), int(right)
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}[sign]
    return value == int(result)


def main() -> None:
    """Build the pipeline and run it on one question."""
    rsd = create_rsd_graph(
        draft=step_model("embedded:draft", "draft"),
        target=step_model("embedded:target", "target"),
        prm=reward_model("embedded:prm"),
    )
    pipeline = StateGraph(State)
    pipeline.add_node("plan", plan)
    pipeline.add_node("solve", rsd.compile())
    pipeline.add_node("check", check)
    for start, end in ((START, "plan"), ("plan", "solve"), ("solve", "check"), ("check", END)):
        pipeline.add_edge(start, end)

    question = (
        "Carl has 14 cards. Monday buys 65. Tuesday sells 54. Wednesday finds 33. How many cards?"
    )
    result: dict[str, Any] = pipeline.compile().invoke({"question": question})
    for step in result["steps"]:
        print(f"{step['source']:>6}: {step['text']}")
    print("Check:", result["verdict"])


if __name__ == "__main__":
    main()
