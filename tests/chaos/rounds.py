"""One round: questions asked in one way of one stack, and whether all that was promised held."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from langchain_core.messages import BaseMessage

from rsd_graph import ChatRSD, RSDError
from rsd_graph.answer.ledger import Ledger
from rsd_graph.answer.state import Step
from rsd_graph.runtime.sync import run_sync
from tests.chaos.server import WorldServer
from tests.chaos.stacks import PRMS, WRITERS, Stack
from tests.chaos.world import DELTA, KEY, Claims, question, wrong_step, wrong_sums

MODES = ("ainvoke", "astream", "abatch", "invoke", "stream", "batch")
PATIENCE = 900.0
"""Seconds after which a round is called hung: far beyond timeout x retries x requests."""


@dataclass
class Outcome:
    """What came of one question."""

    steps: Sequence[Step]
    ledger: Ledger | None
    error: BaseException | None = None


@dataclass(frozen=True)
class Setting:
    """How the questions of a round are asked."""

    stack: Stack
    mode: str
    lookahead: Any
    hedge: float | None
    on_prm_error: Any
    in_flight: int
    rate: float
    slow: float
    questions: int
    timeout: float
    debug: bool = False

    @classmethod
    def drawn(cls, dice: random.Random, in_flight: Sequence[int] = (1, 64)) -> Setting:
        """Any."""
        writers, width = list(WRITERS), dice.choice(in_flight)
        waits = width > 1 and dice.random() < 0.1  # all at once, or nothing else would be done
        rate = dice.choice([0.1, *[0.4] * 4, *[0.7] * 5]) if dice.random() < 0.97 else 0.0
        return cls(
            Stack(dice.choice(writers), dice.choice(writers), dice.choice(list(PRMS))),
            dice.choice(MODES),
            dice.choice([0, 2, "auto"]),
            dice.choice([None, 0.0, 0.3]),
            dice.choice(["raise", "target"]),
            width,
            rate=rate,
            slow=0.05 if waits else 0.0,
            questions=64 if width > 1 and rate else 8,
            timeout=0.5 if waits else 30.0,
            debug=dice.random() < 0.02,
        )


@dataclass
class Findings:
    """What was counted, and what was wrong."""

    rounds: int = 0
    answers: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def play(setting: Setting, server: WorldServer, first: int, found: Findings) -> None:
    """One round of questions from number *first* on."""
    server.rate, server.slow = setting.rate, setting.slow
    server.answered.clear()
    server.doubtful.clear()
    server.full.clear()
    models = setting.stack.models(server.url, setting.timeout, setting.in_flight)
    chat = ChatRSD(
        draft=models.draft,
        target=models.target,
        prm=models.prm,
        delta=DELTA,
        lookahead=setting.lookahead,
        hedge=setting.hedge,
        on_prm_error=setting.on_prm_error,
    )
    numbers = range(first, first + setting.questions)
    before = len(found.violations)
    outcomes = _ask(chat, setting, [question(number) for number in numbers])
    for number, outcome in zip(numbers, outcomes, strict=True):
        name = f"q{number}"
        full = Claims(server.full[name, "draft"], server.full[name, "target"])
        found.violations += _wrong(setting, name, outcome, full)
        kind = type(outcome.error).__name__ if outcome.error else "none"
        found.errors[kind] = found.errors.get(kind, 0) + 1
    found.violations += _miscounted(setting, server, outcomes)
    found.violations += [f"asked of the server: {wrong}" for wrong in server.wrong]
    server.wrong.clear()
    found.violations[before:] = [f"{v} in {setting}" for v in found.violations[before:]]
    found.rounds += 1
    found.answers += setting.questions


def _ask(chat: ChatRSD, setting: Setting, questions: Sequence[str]) -> list[Outcome]:
    config: Any = {"max_concurrency": setting.in_flight}
    run_sync(_debugged(setting.debug))  # -X dev turns it on, which costs most of the time
    match setting.mode:
        case "batch":
            return [_outcome(a) for a in chat.batch(questions, config, return_exceptions=True)]
        case "invoke" | "stream":
            ask = chat.invoke if setting.mode == "invoke" else _streamed(chat)
            with ThreadPoolExecutor(setting.in_flight) as threads:
                return list(threads.map(partial(_caught, ask), questions))
        case _:
            try:
                return asyncio.run(_ask_async(chat, setting, questions), debug=setting.debug)
            except TimeoutError as hung:
                return [_outcome(hung)] * len(questions)


async def _debugged(debug: bool) -> None:
    """On the loop of those who ask without one."""
    asyncio.get_running_loop().set_debug(debug)


async def _ask_async(chat: ChatRSD, setting: Setting, questions: Sequence[str]) -> list[Outcome]:
    turns = asyncio.Semaphore(setting.in_flight)

    async def one(asked: str) -> Outcome:
        async with turns:
            try:
                if setting.mode == "ainvoke":
                    return _outcome(await chat.ainvoke(asked))
                return _outcome(_joined([chunk async for chunk in chat.astream(asked)]))
            except RSDError as error:
                return _outcome(error)

    async with asyncio.timeout(PATIENCE):
        if setting.mode == "abatch":
            config: Any = {"max_concurrency": setting.in_flight}
            answers = await chat.abatch(questions, config, return_exceptions=True)
            outcomes = [_outcome(answer) for answer in answers]
        else:
            outcomes = await asyncio.gather(*map(one, questions))
    for _ in range(20):  # cancelled tasks end, connections close
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        outcomes[0].error = AssertionError(f"tasks left: {left}")
    return outcomes


def _streamed(chat: ChatRSD) -> Callable[[str], Any]:
    return lambda asked: _joined(list(chat.stream(asked)))


def _joined(chunks: list[Any]) -> Any:
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


def _caught(ask: Callable[[str], Any], asked: str) -> Outcome:
    try:
        return _outcome(ask(asked))
    except Exception as error:
        return _outcome(error)


def _outcome(answer: BaseMessage | BaseException) -> Outcome:
    if isinstance(answer, RSDError):
        return Outcome(answer.steps, answer.ledger, answer)
    if isinstance(answer, BaseException):
        return Outcome([], None, answer)
    told = answer.response_metadata["rsd"]
    text = "\n\n".join(step["text"] for step in told["steps"])
    error = None if answer.content == text else AssertionError(f"the text is {answer.content!r}")
    return Outcome(told["steps"], told["ledger"], error)


def _wrong(setting: Setting, asked: str, outcome: Outcome, full: Claims) -> list[str]:
    error, unscored = outcome.error, setting.on_prm_error == "target"
    wrong = [wrong_step(asked, outcome.steps, setting.stack.read_out, unscored, full)]
    if error is None:
        is_whole = bool(outcome.steps) and outcome.steps[-1]["ended"] in ("eos", "context")
        wrong.append(None if is_whole else "the answer has no end")
    elif not isinstance(error, RSDError):
        wrong.append(f"untyped: {error!r}")
    elif error.role is None or error.endpoint is None:
        wrong.append(f"nobody is named: {error!r} {error}")
    elif KEY in f"{error}{error!r}{error.__cause__!r}{error.__context__!r}{vars(error)}":
        wrong.append(f"the key is in {error!r}")
    if setting.rate == 0 and setting.timeout >= 10 and error:
        wrong.append(f"failed without a fault: {error}")
    if outcome.ledger is None:
        wrong.append(f"no ledger: {error!r}")
    else:
        wrong.append(wrong_sums(outcome.steps, outcome.ledger, error is None, full))
    return [f"{asked}: {text}" for text in wrong if text]


def _miscounted(setting: Setting, server: WorldServer, outcomes: Sequence[Outcome]) -> list[str]:
    """What the ledgers say of calls, against what the server sent."""
    ledgers = [outcome.ledger for outcome in outcomes if outcome.ledger]
    wrong, closed = [], sum(ledger["cancelled_calls"] for ledger in ledgers)
    for role in ("draft", "target", "prm"):
        booked = sum(ledger[role]["calls"] for ledger in ledgers)  # type: ignore[literal-required]
        sent, perhaps = server.answered[role], server.doubtful[role]
        lost = closed * setting.stack.requests_of(role)
        is_certain = setting.timeout >= 10 and setting.stack.prm.startswith("qwen")
        if booked > sent + perhaps or (is_certain and booked + lost < sent):
            wrong.append(f"{role}: {booked} calls booked, {sent} answered, {perhaps} doubtful")
    return wrong
