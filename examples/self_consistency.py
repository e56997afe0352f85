"""Self-consistency over RSD: several sampled answers, one vote. Runs on the shipped models.

Each answer is a task of its own (LangGraph's `Send`), so all of them run at once.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from rsd_graph import ChatRSD

QUESTION = """Carl has 14 cards.
Monday buys 65.
Tuesday sells 54.
Wednesday finds 33.
How many cards?"""

llm = ChatRSD(temperature=0.7)


class State(TypedDict, total=False):
    """The question, every answer to it, and the winner."""

    question: str
    answers: Annotated[list[str], operator.add]
    winner: str


class Sample(TypedDict):
    """One task: answer this question with this seed."""

    question: str
    seed: int


def fan_out(state: State) -> list[Send]:
    """Map: seven tasks that differ in their seed."""
    return [Send("answer", Sample(question=state["question"], seed=seed)) for seed in range(7)]


async def answer(sample: Sample) -> State:
    """One sampled answer: what stands in its box."""
    message = await llm.ainvoke(sample["question"], seed=sample["seed"])
    found = re.findall(r"\\boxed\{([^}]*)\}", message.text)
    return {"answers": found[-1:]}


def vote(state: State) -> State:
    """Reduce: the answer most often given."""
    votes = Counter(state["answers"])
    return {"winner": votes.most_common(1)[0][0] if votes else "none"}


def build() -> Any:
    """The map-reduce graph."""
    graph = StateGraph(State)
    graph.add_node("answer", answer)
    graph.add_node("vote", vote)
    graph.add_conditional_edges(START, fan_out, ["answer"])
    graph.add_edge("answer", "vote")
    graph.add_edge("vote", END)
    return graph.compile()


async def main() -> None:
    """Ask seven times and vote."""
    result = await build().ainvoke({"question": QUESTION})
    print("Answers:", " ".join(result["answers"]))
    print("Winner:", result["winner"])


if __name__ == "__main__":
    import asyncio

    asyncio.run(main())
