"""Three real llama.cpp servers to a role: same answers, what is cached, and servers killed.

Run `python -m benchmarks.replicas`; writes `benchmarks/results/replicas.md`. The models are the
shipped ones, the machine is this one: shares and counts carry over, no time does.
"""

from __future__ import annotations

import asyncio
import itertools
import platform
import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

from rich.progress import track

from rsd_graph import ChatRSD
from rsd_graph.embedded.engine import Engine
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.errors import Role
from rsd_graph.providers.http import replicas

ROLES: tuple[Role, ...] = ("draft", "target", "prm")
SERVERS, QUESTIONS, KILLS = 3, 100, 50
OUT = Path(__file__).parent / "results" / "replicas.md"


@contextmanager
def engines() -> Iterator[list[Engine]]:
    """Engines of our own, each with a server for every role."""
    started = [Engine() for _ in range(SERVERS)]
    try:
        yield started
    finally:
        for engine in started:
            engine.close()


def over(started: list[Engine]) -> ChatRSD:
    """RSD over all of them, with everything that can send a request early."""

    def hosts(role: Role) -> str:
        at = [engine.endpoint(role).url.split("/")[2] for engine in started]
        return f"llamacpp+http://{','.join(at)}/v1#{role}"

    prm = f"recompute+{hosts('prm')}"
    return ChatRSD(draft=hosts("draft"), target=hosts("target"), prm=prm, lookahead=2, hedge=0.2)


async def answers(model: ChatRSD, questions: list[str]) -> tuple[list[str], dict[Role, float]]:
    """The texts, and the cached share of each role's prompt tokens."""
    found = await model.abatch(questions, config={"max_concurrency": 8})
    ledgers = [one.response_metadata["rsd"]["ledger"] for one in found]
    shares: dict[Role, float] = {}
    for role in ROLES:
        read = sum(ledger[role]["prompt_tokens"] for ledger in ledgers)
        shares[role] = sum(ledger[role]["cached_tokens"] for ledger in ledgers) / read
    return [one.text for one in found], shares


async def killed(questions: list[str], expected: list[str]) -> int:
    """Answers that were right with a server of a random role killed while they were written."""
    rng, right = random.Random(0), 0
    for number in track(range(KILLS), "servers killed"):
        with engines() as started:
            model, pick = over(started), questions[number % len(questions)]
            after, text = rng.randrange(4), ""
            async for chunk in model.astream(pick):
                text += chunk.text
                if after == 0:
                    rng.choice(started).close()
                after -= 1
            right += text == expected[number % len(questions)]
    return right


async def measure() -> str:
    """The page."""
    questions = [problem.question for problem in held_out_problems(QUESTIONS)]
    expected, alone = await answers(ChatRSD(lookahead=2, hedge=0.2), questions)
    with engines() as started:
        texts, together = await answers(over(started), questions)
    same = sum(map(str.__eq__, texts, expected))
    turns = itertools.count()
    scatter = patch.object(replicas, "current_session", lambda: str(next(turns)))
    with engines() as started, scatter:
        texts, scattered = await answers(over(started), questions)
    rows = [
        f"| {role} | {alone[role]:.0%} | {together[role]:.0%} | {scattered[role]:.0%} |"
        for role in ROLES
    ]
    right = await killed(questions, expected)
    return "\n".join(
        [
            "# Three servers to a role",
            "",
            f"`python -m benchmarks.replicas`: {QUESTIONS} held-out stories, the shipped models on "
            f"llama.cpp (xllamacpp {version('xllamacpp')}), {platform.machine()}, Python "
            f"{platform.python_version()}; look-ahead 2, hedge 0.2, 8 answers at once.",
            "",
            f"- Answers equal to those of one server: {same} of {QUESTIONS}.",
            f"- Killed with SIGKILL while an answer was written, all roles of one of the three: "
            f"{KILLS} times; answers equal to the undisturbed ones: {right} of {KILLS}.",
            "",
            "Cached share of prompt tokens:",
            "",
            "| role | one server | three, an answer stays | three, each request anywhere |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    OUT.write_text(asyncio.run(measure()), encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))
