"""The world's models without a server: what is asked of them costs nothing but the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rsd_graph import ChatRSD, Prefix, Scores, StepRequest, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate
from tests.chaos.world import DELTA, read, worth, written


class PlainWriter:
    """Draft or target."""

    def __init__(self, role: str) -> None:
        self._role = role

    async def write_step(self, request: StepRequest) -> Candidate:
        """The next step of the world."""
        step = written(self._role, *read(_prompt(request.prefix)))
        return candidate(step.text, "eos" if step.ended == "eos" else "separator")


class PlainJudge:
    """The PRM."""

    reward_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """What the world thinks of each."""
        return Scores([worth(item["text"].split()[0]) for item in candidates], usage())


def plain_chat() -> ChatRSD:
    """A chat model of these three."""
    return ChatRSD(
        draft=PlainWriter("draft"), target=PlainWriter("target"), prm=PlainJudge(), delta=DELTA
    )


def _prompt(prefix: Prefix) -> str:
    return "\n".join([*(message["content"] for message in prefix.conversation), prefix.text])
