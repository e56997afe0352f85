"""What is compared. Every arm answers the same questions on servers of its own.

* `lockstep`: the paper's loop (official `main_online.py`), reimplemented over our seams: all
  questions of a batch draft, then all are scored, then all rejected ones go to the target, round
  after round, each phase waiting for its slowest. Its patience counter, which cuts long answers
  short, is off, and it is credited with each answer the moment it is finished, not at the end.
* `sequential`: the graph with `lookahead=0`: Algorithm 1 to the letter, one task per answer.
* `lookahead 1`, `2`, `4`, `auto`: the graph, drafting ahead.
* `lookahead 2, hedged`: the same, with a target that starts while the PRM scores, every time. The
  workload rejects without warning: a threshold could only start it less often, never more wisely.
* `target only`: the target writes the whole answer in one request; no PRM, no draft.
* `target only, all GPUs`: the same, with the GPUs of draft and PRM added to the target's, sharing
  its work ideally (no cost of joining results): more than any real server would get from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rsd_graph.answer.ledger import Entry, Ledger, add, add_usage, empty_ledger
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.options import Lookahead
from rsd_graph.answer.state import Candidate, RSDInput
from rsd_graph.graph import create_rsd_graph
from rsd_graph.lab.latency.simulated import Questions, Seats, SimulatedStepModel, spent
from rsd_graph.lab.latency.workload import EOS, SEPARATOR, render
from rsd_graph.providers.base import Prefix, RewardModel, StepModel, StepRequest

LIMITS = Limits(max_tokens=16_384)
DELTA = 0.7


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer and when things happened, in seconds of the loop's clock since it was begun.

    Attributes:
        question: Which one.
        steps: Its settled steps' (author, text).
        latency: Until the answer was finished.
        first_step: Until its first step was settled.
        settled_at: The clock when each step was settled.
        ledger: What it cost.
    """

    question: int
    steps: Sequence[tuple[str, str]]
    latency: float
    first_step: float
    settled_at: Sequence[float]
    ledger: Ledger

    @property
    def finished_at(self) -> float:
        """The clock when it was finished."""
        return self.settled_at[-1]

    @property
    def begun_at(self) -> float:
        """The clock when it was begun."""
        return self.finished_at - self.latency


async def graph_arm(
    questions: Iterable[int],
    concurrency: int,
    seats: Seats,
    lookahead: Lookahead,
    limits: Limits = LIMITS,
    hedge: float | None = None,
) -> list[Answered]:
    """Ours: one task per answer, at most *concurrency* at once."""
    graph = create_rsd_graph(
        draft=seats.draft,
        target=seats.target,
        prm=seats.prm,
        limits=limits,
        lookahead=lookahead,
        hedge=hedge,
    ).compile(checkpointer=False)
    return await _at_once(partial(_graph_answer, graph, seats.questions), questions, concurrency)


async def _graph_answer(graph: Any, asked: Questions, question: int) -> Answered:
    clock = asyncio.get_running_loop().time
    begun, settled_at = clock(), list[float]()
    steps: list[Any] = []
    ledger = empty_ledger()
    state = RSDInput(conversation=asked.conversation(question), seed=0)
    async for event in graph.astream(state, stream_mode="updates"):
        for update in event.values():
            if update.get("steps"):
                steps += update["steps"]
                ledger = update["ledger"]
                settled_at += [clock()] * len(update["steps"])
    authors = [(step["source"], step["text"]) for step in steps]
    first = settled_at[0] - begun
    return Answered(question, authors, settled_at[-1] - begun, first, settled_at, ledger)


async def target_arm(
    questions: Iterable[int], concurrency: int, target: SimulatedStepModel
) -> list[Answered]:
    """The target alone, each answer in one request."""
    return await _at_once(partial(_target_answer, target), questions, concurrency)


async def _target_answer(target: SimulatedStepModel, question: int) -> Answered:
    clock = asyncio.get_running_loop().time
    begun = clock()
    prompt = render(target.writer.workload.conversation(question))
    written = await target.writer.complete(prompt, LIMITS.max_tokens, one_step=False)
    took = clock() - begun
    entry: Entry = {"target": spent([written.job], took * 1000), "target_steps": 1}
    ledger = add(empty_ledger(), entry)
    settled_at = written.job.times_of((SEPARATOR, EOS))
    return Answered(question, [("target", written.text)], took, took, settled_at, ledger)


async def _at_once(
    answer: Callable[[int], Awaitable[Answered]], questions: Iterable[int], concurrency: int
) -> list[Answered]:
    """Answer all, *concurrency* at a time; the next one starts as soon as one is finished."""
    turn = asyncio.Semaphore(concurrency)

    async def one(question: int) -> Answered:
        async with turn:
            return await answer(question)

    return list(await asyncio.gather(*(one(question) for question in questions)))


@dataclass(slots=True)
class _Live:
    """One answer of a lockstep batch."""

    question: int
    prefix: Prefix
    steps: list[tuple[str, Candidate]]
    ledger: Ledger
    settled_at: list[float]

    def settle(self, author: str, candidate: Candidate) -> None:
        self.settled_at.append(asyncio.get_running_loop().time())
        self.steps.append((author, candidate))
        self.prefix = replace(self.prefix, steps=[step for _, step in self.steps])


async def lockstep_arm(questions: Sequence[int], concurrency: int, seats: Seats) -> list[Answered]:
    """The paper's loop over batches of *concurrency* questions."""
    answered: list[Answered] = []
    for start in range(0, len(questions), concurrency):
        batch = questions[start : start + concurrency]
        conversations = [seats.questions.conversation(question) for question in batch]
        answered += await lockstep(batch, conversations, seats.draft, seats.target, seats.prm)
    return answered


async def lockstep(
    questions: Sequence[int],
    conversations: Sequence[Any],
    draft: StepModel,
    target: StepModel,
    prm: RewardModel,
) -> list[Answered]:
    """The paper's loop over one batch: draft all, score all, rewrite the rejected, repeat."""
    begun = asyncio.get_running_loop().time()
    live = [
        _Live(question, Prefix(conversation), [], empty_ledger(), [])
        for question, conversation in zip(questions, conversations, strict=True)
    ]
    answered: list[Answered] = []
    while live:
        await _round(live, draft, target, prm)
        answered += [_finished(item, begun) for item in live if _is_over(item)]
        live = [item for item in live if not _is_over(item)]
    return sorted(answered, key=lambda answer: questions.index(answer.question))


async def _round(
    live: Sequence[_Live], draft: StepModel, target: StepModel, prm: RewardModel
) -> None:
    drafts = await _write_all(draft, live)
    scores = await asyncio.gather(
        *(prm.score(item.prefix, [step]) for item, step in zip(live, drafts, strict=True))
    )
    rejected = []
    for item, step, score in zip(live, drafts, scores, strict=True):
        spent: Entry = {"draft": step["usage"], "prm": score.usage, "scored_steps": 1}
        item.ledger = add(item.ledger, spent, {"drafted_steps": 1})
        if score.rewards[0] >= DELTA:
            item.settle("draft", step)
        else:
            rejected.append(item)
    for item, step in zip(rejected, await _write_all(target, rejected), strict=True):
        item.ledger = add(item.ledger, {"target": step["usage"], "target_steps": 1})
        item.settle("target", step)


async def _write_all(model: StepModel, live: Sequence[_Live]) -> list[Candidate]:
    requests = [StepRequest(item.prefix, LIMITS.max_step_tokens) for item in live]
    return list(await asyncio.gather(*(model.write_step(request) for request in requests)))


def _is_over(item: _Live) -> bool:
    return item.steps[-1][1]["ended"] != "separator" or len(item.steps) >= LIMITS.max_steps


def _finished(item: _Live, begun: float) -> Answered:
    """As of the end of the round: the official loop looks at its batch only then."""
    now = asyncio.get_running_loop().time()
    steps = [(author, step["text"]) for author, step in item.steps]
    kept = add_usage(*(step["usage"] for author, step in item.steps if author == "draft"))
    ledger = add(item.ledger, {"kept_draft_tokens": kept["completion_tokens"]})
    clocks = [*item.settled_at[:-1], now]
    return Answered(item.question, steps, now - begun, clocks[0] - begun, clocks, ledger)
