"""A draft that runs ahead. `depth=0` is Algorithm 1 to the letter."""

from __future__ import annotations

from rsd_graph.providers.base import StepModel, StepRequest
from rsd_graph.state import Candidate


class Drafter:
    """Turns a step model into one that writes runs of consecutive steps."""

    def __init__(self, model: StepModel) -> None:
        self._model = model

    async def write_run(self, request: StepRequest) -> list[Candidate]:
        """The next step, or several in a row."""
        return [await self._model.write_step(request)]
