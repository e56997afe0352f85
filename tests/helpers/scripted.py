"""What many tests share: a compiled graph from a script, and its answer."""

from __future__ import annotations

from typing import Any

from rsd_graph import create_rsd_graph, initial_state
from rsd_graph.providers.scripted import ScriptedRewardModel, ScriptedStepModel


class Scripted:
    """A graph whose three models read from scripts; the models stay visible."""

    def __init__(self, draft: Any, rewards: Any, target: Any = (), **options: Any) -> None:
        self.draft = ScriptedStepModel(draft)
        self.target = ScriptedStepModel(target)
        self.prm = ScriptedRewardModel(rewards)
        self.graph = create_rsd_graph(draft=self.draft, target=self.target, prm=self.prm, **options)

    async def answer(self, question: str = "What is 3 + 4?", seed: int = 0) -> dict[str, Any]:
        """Run one question through the compiled graph."""
        result: dict[str, Any] = await self.graph.compile().ainvoke(
            initial_state(question, seed=seed)
        )
        return result


def texts(answer: dict[str, Any]) -> list[str]:
    """The settled steps' texts."""
    return [step["text"] for step in answer["steps"]]


def sources(answer: dict[str, Any]) -> list[str]:
    """Who wrote each settled step."""
    return [step["source"] for step in answer["steps"]]
