"""One question through the graph, its steps handed on as they are settled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from rsd_graph.answer.flops import PerRole, flops
from rsd_graph.answer.ledger import acceptance_rate
from rsd_graph.answer.prices import Prices, costs
from rsd_graph.answer.state import Step, initial_state
from rsd_graph.answer.steps import answer_text
from rsd_graph.chat_models import ChatRSD
from rsd_graph.lab.arms.arm import Outcome
from rsd_graph.lab.batch.words import final_answer
from rsd_graph.runtime.run import settled_steps


@dataclass(frozen=True, slots=True)
class Answer(Outcome):
    """A finished answer, and what it takes to say what it cost.

    Attributes:
        parameters: Parameter counts of the models, if known.
        prices: Money per million tokens, if known.
    """

    parameters: PerRole | None = None
    prices: Prices | None = None

    @property
    def final(self) -> str:
        """See `final_answer`."""
        return final_answer(self.text)

    def as_json(self) -> dict[str, object]:
        """Everything, as plain data."""
        return {
            "answer": self.final,
            "text": self.text,
            "steps": self.steps,
            "ledger": self.ledger,
            "acceptance_rate": acceptance_rate(self.ledger),
            "finish_reason": self.finish_reason,
            "flops": flops(self.ledger, self.parameters) if self.parameters else None,
            **costs(self.ledger, self.prices),
        }


async def answer(
    llm: ChatRSD,
    question: str,
    on_step: Callable[[Step], None],
    *,
    system: str | None = None,
    seed: int | None = None,
) -> Answer:
    """Solve *question*, calling *on_step* the moment each step is settled.

    Raises:
        RSDError: Whatever stopped it.
    """
    steps: list[Step] = []
    state = initial_state(question, system=system, seed=llm.seed if seed is None else seed)
    async with aclosing(settled_steps(llm.graph, state)) as laps:
        async for lap in laps:
            steps += lap.steps
            for step in lap.steps:
                on_step(step)
    text = answer_text(steps, llm.step_separator)
    return Answer(text, steps, lap.ledger, lap.finish_reason, llm.sizes, llm.prices)
