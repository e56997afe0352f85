"""Is this stack fit for RSD? Each check asks the real endpoint and says how to mend what is wrong.

The checks are the traps that make RSD wrong without making it fail: a separator that cannot be told
from the end, a prefix that is not continued exactly, a second BOS, greedy decoding that is not, a
PRM read the wrong way round.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rsd_graph.errors import RSDError
from rsd_graph.limits import Limits
from rsd_graph.providers.base import Prefix, RewardModel, StepModel, StepRequest
from rsd_graph.providers.completion import CompletionRequest, CompletionWire, HostedModel
from rsd_graph.providers.scripted import candidate
from rsd_graph.state import Candidate, Message

Verdict = Literal["pass", "warn", "fail"]

_OVERHEAD_SECONDS = 0.05
"""Below this a request is mostly HTTP, and says nothing about the server's batching."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        role: The seat that was checked.
        name: What was checked.
        verdict: `"fail"` means RSD's answers would be wrong or missing.
        detail: What was seen.
        fix: What to do, for anything but a pass.
    """

    role: str
    name: str
    verdict: Verdict
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A question with a first step that is right and one that is wrong."""

    question: str
    good: str
    bad: str


APPLES = Example(
    "Ann has 3 apples. She buys 4 more. How many apples does she have?",
    "Ann starts with 3 apples and buys 4 more, so she has 3 + 4 = 7 apples.",
    "Ann starts with 3 apples and buys 4 more, so she has 3 + 4 = 12 apples.",
)

SHIPPED = Example(
    "Adam has 43 candies.\nMonday loses 33.\nTuesday buys 8.\nHow many candies?",
    "Monday loses 33. 43-33=10.",
    "Monday loses 33. 43-33=12.",
)
"""In the words of the shipped models, which know nothing else."""


async def examine(
    draft: StepModel, target: StepModel, prm: RewardModel, example: Example = APPLES
) -> AsyncIterator[Check]:
    """Check every seat of a stack, yielding each finding as it is made."""
    for role, model in (("draft", draft), ("target", target)):
        async for check in _examine_writer(role, model, example):
            yield check
    async for check in _examine_prm(prm, example):
        yield check


async def _examine_writer(role: str, model: StepModel, example: Example) -> AsyncIterator[Check]:
    conversation = [Message(role="user", content=example.question)]
    try:
        first = await model.write_step(StepRequest(Prefix(conversation), max_tokens=64))
    except RSDError as error:
        yield _failed(role, "answers", error)
        return
    yield Check(role, "answers", "pass", f"{type(model).__name__}, {_cost(first)}")
    yield await _step_ends(role, model, conversation)
    yield await _greedy(role, model, conversation, first)
    if isinstance(model, HostedModel):
        prompt = await model.prompt(Prefix(conversation))
        yield await _prefix_survives(role, model.wire, prompt)
    yield await _throughput(role, model, conversation)


async def _step_ends(role: str, model: StepModel, conversation: Sequence[Message]) -> Check:
    """Whether a whole answer shows both kinds of ending: our separator, and the end of text."""
    steps: list[Candidate] = []
    limits = Limits(max_steps=24)
    while not steps or (steps[-1]["ended"] == "separator" and len(steps) < limits.max_steps):
        request = StepRequest(Prefix(conversation, steps), max_tokens=256)
        steps.append(await model.write_step(request))
    endings = [step["ended"] for step in steps]
    seen = f"{endings.count('separator')} separators, then {endings[-1]}"
    if "separator" in endings and endings[-1] == "eos":
        return Check(role, "separator and end told apart", "pass", seen)
    fix = "Does this model write its answer in steps? Ask for it in a system prompt, or change "
    return Check(role, "separator and end told apart", "warn", seen, fix + "step_separator.")


async def _greedy(
    role: str, model: StepModel, conversation: Sequence[Message], first: Candidate
) -> Check:
    """Temperature 0 twice: a sampling default of the server that leaks in would show."""
    again = await model.write_step(StepRequest(Prefix(conversation), max_tokens=64, seed=99))
    if again["text"] == first["text"]:
        return Check(role, "temperature 0 is greedy", "pass", "two seeds, one text")
    fix = "The server samples in spite of temperature 0, or computes differently by batch."
    return Check(role, "temperature 0 is greedy", "warn", "two seeds, two texts", fix)


async def _prefix_survives(role: str, wire: CompletionWire, prompt: str) -> Check:
    """Whether a prefix that ends in the separator reaches the model with it."""
    name = "prefix continued exactly"
    try:
        bare, full = [
            (await wire.complete(CompletionRequest(prompt + text, max_tokens=1))).usage
            for text in ("X", "X\n\n")
        ]
    except RSDError as error:
        return _failed(role, name, error)
    grown = full["prompt_tokens"] - bare["prompt_tokens"]
    if grown >= 1:
        return Check(role, name, "pass", f"the separator is {grown} token(s) of the prompt")
    fix = "Something trims the prompt: use the server's native route, not a chat route."
    return Check(role, name, "fail", "a trailing separator is lost", fix)


async def _throughput(role: str, model: StepModel, conversation: Sequence[Message]) -> Check:
    """Eight requests at once against one: a server that queues them shows it here."""
    one = await _timed(model, conversation, 1)
    eight = await _timed(model, conversation, 8)
    detail = f"{one * 1000:.0f} ms alone, {eight * 1000:.0f} ms for eight at once"
    if eight < 6 * one or one < _OVERHEAD_SECONDS:
        return Check(role, "batches", "pass", detail)
    fix = "The server works one request at a time: raise its parallel slots."
    return Check(role, "batches", "warn", detail, fix)


async def _timed(model: StepModel, conversation: Sequence[Message], count: int) -> float:
    """Seconds until *count* simultaneous requests are done."""
    request = StepRequest(Prefix(conversation), max_tokens=32)
    started = time.perf_counter()
    await asyncio.gather(*(model.write_step(request) for _ in range(count)))
    return time.perf_counter() - started


async def _examine_prm(prm: RewardModel, example: Example) -> AsyncIterator[Check]:
    prefix = Prefix([Message(role="user", content=example.question)])
    try:
        good = (await prm.score(prefix, [candidate(example.good)])).rewards[0]
        bad = (await prm.score(prefix, [candidate(example.bad)])).rewards[0]
    except RSDError as error:
        yield _failed("prm", "scores", error)
        return
    low, high = prm.reward_range
    yield Check("prm", "scores", "pass", type(prm).__name__)
    seen = f"right step {good:.3f}, wrong step {bad:.3f}"
    fix = "Is this the right PRM family? Label order and activation decide the sign."
    yield Check("prm", "tells right from wrong", *_judge(good > bad, seen, fix))
    inside = low <= min(good, bad) and max(good, bad) <= high
    fix = "Declare this PRM's own range, and choose delta inside it."
    yield Check("prm", f"rewards in [{low:g}, {high:g}]", *_judge(inside, seen, fix))
    async for check in _run_scores(prm, prefix, example):
        yield check


async def _run_scores(prm: RewardModel, prefix: Prefix, example: Example) -> AsyncIterator[Check]:
    """Two steps scored together must be scored as they are one by one (look-ahead relies on it)."""
    steps = [candidate(example.good), candidate(example.bad)]
    try:
        together = (await prm.score(prefix, steps)).rewards
        after = Prefix(prefix.conversation, steps[:1])
        alone = (await prm.score(after, steps[1:])).rewards[0]
    except RSDError as error:
        yield _failed("prm", "scores a run of steps", error)
        return
    same = len(together) == 2 and abs(together[1] - alone) < 0.05
    seen = f"second step {together[-1]:.3f} in a run, {alone:.3f} alone"
    yield Check("prm", "scores a run of steps", *_judge(same, seen, "Use lookahead=0 here."))


def _judge(fine: bool, seen: str, fix: str) -> tuple[Verdict, str, str]:
    return ("pass", seen, "") if fine else ("fail", seen, fix)


def _failed(role: str, name: str, error: RSDError) -> Check:
    """An endpoint's own error, with its own advice."""
    return Check(role, name, "fail", f"{type(error).__name__}: {error.message}", error.hint or "")


def _cost(step: Candidate) -> str:
    usage = step["usage"]
    cached = "unreported" if usage["cache_unreported_calls"] else f"{usage['cached_tokens']}"
    return (
        f"{usage['prompt_tokens']} prompt tokens ({cached} cached), "
        f"{usage['completion_tokens']} generated in {usage['ms']:.0f} ms"
    )
