"""What the demo does: three problems, solved by RSD and by the target alone, all really run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import reduce

from rich.console import Console

from rsd_graph.answer.flops import PerRole, flops
from rsd_graph.answer.ledger import Ledger, add, empty_ledger
from rsd_graph.chat_models import ChatRSD
from rsd_graph.cli.terminal.answer import Answer, answer
from rsd_graph.cli.terminal.screen import amounts, screen_rule, show_step
from rsd_graph.embedded.card import read_card
from rsd_graph.embedded.task import Problem, extract_answer, held_out_problems
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.experiment import Experiment

_SHOWN = 3
_SEARCHED = 30


@dataclass(frozen=True, slots=True)
class _Run:
    """One problem, solved both ways."""

    number: int
    problem: Problem
    rsd: Answer
    alone: str
    alone_ledger: Ledger

    @property
    def rejected(self) -> bool:
        """Whether the target had to rewrite a step."""
        return self.rsd.ledger["target_steps"] > 0


async def run_demo(console: Console) -> None:
    """Show three problems and what they cost."""
    sizes = read_card().parameters
    console.print(
        f"Three small models ({sizes.draft:,.0f}, {sizes.target:,.0f} and {sizes.prm:,.0f} "
        "parameters), trained for this package,\neach behind its own llama.cpp server on this "
        "machine. They have never seen these problems."
    )
    runs: list[_Run] = []
    async with aclosing(_runs()) as solved:
        async for run in solved:
            _show_run(console, run, sizes)
            runs.append(run)
    console.print(f"\n{_summary(runs, sizes)}", style="bold")
    console.print(
        "Three problems prove nothing. `rsd-graph eval` measures 300, with confidence intervals."
    )


async def _runs() -> AsyncGenerator[_Run]:
    """The first problems; the last of them gives way to one with a rejection if none has any."""
    llm = ChatRSD(draft="embedded:draft", target="embedded:target", prm="embedded:prm")
    # A server of its own: in RSD's, the target would find half of its work already done.
    target = alone(Experiment({"target": "embedded:target?slots=1"}).setup(), "target")
    rejected, third = False, None
    for number, problem in enumerate(held_out_problems(_SEARCHED), start=1):
        rsd = await answer(llm, problem.question, lambda step: None)
        own = await target.solve(problem.question, 0)
        run = _Run(number, problem, rsd, own.text, own.ledger)
        rejected = rejected or run.rejected
        if number < _SHOWN:
            yield run
        elif rejected:
            yield run
            return
        third = third or (run if number == _SHOWN else None)
    if third:
        yield third


def _show_run(console: Console, run: _Run, sizes: PerRole) -> None:
    chosen = " (chosen to show a rejection; those before it have none)"
    console.print(screen_rule(f"problem {run.number}{chosen if run.number > _SHOWN else ''}"))
    console.print(f"{run.problem.question}\n")
    for step in run.rsd.steps:
        show_step(console, step)
    right = run.problem.answer
    console.print(f"\nanswer  {_verdict(run.rsd.text, right)}", style="bold")
    console.print(f"cost    {amounts(flops(run.rsd.ledger, sizes))}")
    console.print(
        f"alone   the target answers {_verdict(run.alone, right)}, "
        f"for {amounts(flops(run.alone_ledger, sizes))}"
    )


def _verdict(text: str, right: int) -> str:
    found = extract_answer(text)
    return f"{found}, right" if found == right else f"{found}, wrong (it is {right})"


def _summary(runs: list[_Run], sizes: PerRole) -> str:
    """How much of the target's FLOPs the answers above took."""
    ours = flops(_sum(run.rsd.ledger for run in runs), sizes)
    alone = flops(_sum(run.alone_ledger for run in runs), sizes)
    share = {name: ours[name] / alone[name] for name in ours}
    return (
        f"Together: {share['decode_only']:.0%} of the target's FLOPs counting what was written "
        f"(as the paper counts), {share['full']:.0%} counting all that was read, too."
    )


def _sum(ledgers: Iterable[Ledger]) -> Ledger:
    return reduce(add, ledgers, empty_ledger())
