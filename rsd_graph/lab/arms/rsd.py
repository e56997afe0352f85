"""RSD itself as an arm, and its control that rejects blindly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rsd_graph.acceptance import Criterion, Weighting, constant
from rsd_graph.answer.options import picked
from rsd_graph.answer.state import Phase, RSDInput
from rsd_graph.answer.steps import answer_text
from rsd_graph.answer.thinking import Phases
from rsd_graph.graph import create_rsd_graph
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.setup import Setup
from rsd_graph.runtime.run import settled_steps


def rsd(setup: Setup, accept: Criterion | Mapping[Phase, Criterion]) -> Arm:
    """RSD with one acceptance criterion, or one for each phase."""
    models, options = setup.models, setup.options
    graph = create_rsd_graph(
        draft=models.draft,
        target=models.target,
        prm=models.prm,
        accept=accept,
        sampling=setup.sampling,
        limits=setup.limits,
        phases=picked(Phases, options),
        step_separator=options.step_separator,
        lookahead=options.lookahead,
        max_waste=options.max_waste,
        hedge=options.hedge,
        on_prm_error=options.on_prm_error,
    ).compile(checkpointer=False, name="rsd")

    async def solve(question: str, seed: int) -> Outcome:
        state = RSDInput(conversation=setup.conversation(question), seed=seed)
        laps = [lap async for lap in settled_steps(graph, state)]
        steps = [step for lap in laps for step in lap.steps]
        text = answer_text(steps, options.step_separator)
        return Outcome(text, steps, laps[-1].ledger, laps[-1].finish_reason)

    early = f", lookahead {options.lookahead}" if options.lookahead else ""
    early += "" if options.hedge is None else f", hedge {options.hedge:g}"
    if isinstance(accept, Weighting) and accept.name == "reward_threshold":
        delta = accept.parameters["delta"]
        return Arm(f"RSD {delta:g}{early}", solve, delta)
    return Arm(f"RSD {accept}{early}", solve)


def random_mixing(setup: Setup, target_share: float) -> Arm:
    """The control: the target writes the same share of steps, chosen blindly."""
    arm = rsd(setup, constant(1 - target_share))
    return replace(arm, name=f"random mixing, target share {target_share:.1%}")
