"""Other people's routers in front of three llama.cpp servers: does an answer stay where it is?

    python -m benchmarks.routers FOLDER

writes `results/routers.md`. FOLDER has an environment for each router, see
`benchmarks/router_programs.py`; what is not there is left out and said. Draft and target are asked
through a router each, the PRM without.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from benchmarks.replicas import answers, engines
from benchmarks.router_programs import ROUTERS, Router, behind, running
from rsd_graph import ChatRSD
from rsd_graph.embedded.engine import Engine
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.errors import Role
from rsd_graph.lab.latency.tables import table

OUT = Path(__file__).parent / "results" / "routers.md"
QUESTIONS = 60
ROLES: tuple[Role, ...] = ("draft", "target")


def through(routers: Mapping[Role, str], first: Engine) -> ChatRSD:
    """RSD whose draft and target are behind routers, asked as any server with OpenAI's API."""
    draft, target = (behind(routers[role], role) for role in ROLES)
    prm = f"recompute+llamacpp+{first.endpoint('prm').url}#prm"
    return ChatRSD(draft=draft, target=target, prm=prm)


def measured(
    router: Router, installed: Path, questions: list[str]
) -> tuple[list[str], list[float]]:
    """The answers, and the cached share of draft and target."""
    with engines() as started, ExitStack() as stack:
        at = dict[Role, str]()
        for role in ROLES:
            urls = [engine.endpoint(role).url.removesuffix("/v1") for engine in started]
            at[role] = stack.enter_context(running(router, installed, urls, role))
        texts, shares = asyncio.run(answers(through(at, started[0]), questions))
    return texts, [shares[role] for role in ROLES]


def report(folder: Path) -> str:
    """The page."""
    questions = [problem.question for problem in held_out_problems(QUESTIONS)]
    expected, alone = asyncio.run(answers(ChatRSD(), questions))
    rows: list[list[str]] = [
        ["none: one server", "", *(f"{alone[role]:.0%}" for role in ROLES), ""]
    ]
    for router in ROUTERS:
        installed = router.installed(folder)
        if installed is None:
            rows.append([router.name, f"`{router.setting}`", "not installed", "", ""])
            continue
        texts, shares = measured(router, installed, questions)
        same = f"{sum(map(str.__eq__, texts, expected))} of {QUESTIONS}"
        rows.append([*router.told(folder), *(f"{share:.0%}" for share in shares), same])
        print(rows[-1], file=sys.stderr)
    return "\n".join(
        [
            "# Routers in front of three servers",
            "",
            f"`python -m benchmarks.routers`: {QUESTIONS} held-out stories, 8 at once, the shipped "
            f"models on llama.cpp (xllamacpp {version('xllamacpp')}); draft and target through a "
            "router each, over `/v1/completions`.",
            "",
            table("router|setting|draft cached|target cached|answers as with one server", rows),
            "",
        ]
    )


if __name__ == "__main__":
    OUT.write_text(report(Path(sys.argv[1])), encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))
