"""SpecReason (arXiv 2504.07891): the target itself grades each drafted step, in one digit.

RSD with the target as its judge, in the same graph: a step is accepted iff the digit from 0 to 9
reaches the threshold, 7 in the authors' code, which takes the digit the target says.
"""

from __future__ import annotations

from dataclasses import replace

from rsd_graph.acceptance import reward_threshold
from rsd_graph.answer.ledger import Ledger, add_usage, usage
from rsd_graph.errors import CapabilityError
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.prm import JUDGE_GREEDY, TokenProbabilityPRM
from rsd_graph.providers.wires.hosted import HostedModel


def specreason(setup: Setup, threshold: float = 7.0) -> Arm:
    """The target rewrites what it grades below *threshold*; its grading is booked as its own.

    Raises:
        CapabilityError: The target is not a server that continues text.
        ConfigurationError: *threshold* is not between 0 and 9.
    """
    target = setup.models.target
    if not isinstance(target, HostedModel):
        raise CapabilityError(
            f"{type(target).__name__} cannot grade steps.",
            role="target",
            expected="a target whose server continues text, such as vllm+http://",
        )
    judge = TokenProbabilityPRM(target.wire, JUDGE_GREEDY)
    arm = rsd(setup.with_models(prm=judge), reward_threshold(threshold))

    async def solve(question: str, seed: int) -> Outcome:
        outcome = await arm.solve(question, seed)
        return replace(outcome, ledger=_graded_by_target(outcome.ledger))

    return Arm(f"SpecReason {threshold:g}", solve)


def _graded_by_target(ledger: Ledger) -> Ledger:
    """What was booked for the judge, as the target's: there is no third model."""
    target = add_usage(ledger["target"], ledger["prm"])
    return {**ledger, "target": target, "prm": usage(calls=0), "scored_steps": 0}
