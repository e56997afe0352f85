"""Look-ahead by chained requests against one stream that runs on past the separator.

    python -m benchmarks.streamed_lookahead                  the shipped draft on llama.cpp
    python -m benchmarks.streamed_lookahead --vllm VENV      and on the vLLM in VENV (tests/live)
    python -m benchmarks.streamed_lookahead --blank-lines qwen.tiktoken TEXT ...

prints the tables of `results/streamed_lookahead.md`. Really run, side by side: question by
question, in alternating order, over one bare HTTP client (`drafting.py`). Verdicts are a coin that
falls by question and step, and take a fixed time; rejected steps are replaced by what the shipped
target wrote beforehand. Only drafting is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks.drafting import MAX_TOKENS, SEPARATOR, Loop, Server, chained, streamed
from rsd_graph import Message, Prefix, StepRequest, step_model
from rsd_graph.answer.state import Candidate
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.latency.clock import run_virtual
from rsd_graph.lab.latency.hardware import Preset
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.simulated import Simulated
from rsd_graph.lab.latency.workload import Workload, render
from rsd_graph.providers.wires.hosted import HostedModel

HEAD = (
    "server|verdict|rejected|way|median ms|client CPU ms|server CPU ms|requests|tokens in vain|same"
)
_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass
class Measured:
    """Sums over all answers of one way, and the milliseconds per step of each answer."""

    steps: int = 0
    requests: int = 0
    in_vain: int = 0
    same: int = 0
    ms: list[float] = field(default_factory=list)
    client_s: float = 0.0
    server_s: float = 0.0

    @contextmanager
    def timed(self, server: Server, loop: Loop) -> Iterator[None]:
        """Adds what happens inside: wall-clock, our CPU time, and that of what we started."""
        self.requests -= server.requests
        self.server_s -= children_cpu_s()
        self.client_s -= time.process_time()
        started = time.perf_counter()
        yield
        self.ms.append(1000 * (time.perf_counter() - started) / len(loop.steps))
        self.client_s += time.process_time()
        self.server_s += children_cpu_s()
        self.requests += server.requests
        self.steps += len(loop.steps)
        self.in_vain += loop.in_vain

    def row(self) -> str:
        """The median answer's milliseconds per step; the others are means."""
        seconds = (self.client_s, self.server_s)
        cpu = [f"{1000 * spent / self.steps:.2f}" for spent in seconds]
        counts = [f"{count / self.steps:.2f}" for count in (self.requests, self.in_vain)]
        return " | ".join([f"{median(self.ms):.2f}", *cpu, *counts, str(self.same)])


async def compare(
    server: Server, prompts: Sequence[str], target: Any, verdict_s: float, rejects: float
) -> dict[str, Measured]:
    """Both ways over every question."""
    ways: dict[str, Any] = {"chained": chained, "streamed": streamed}
    found = {way: Measured() for way in ways}
    for question, prompt in enumerate(prompts):
        expected = Loop(question, prompt, 0, rejects, target)
        await chained(server, expected, depth=0)  # has the target asked, and warms the cache
        for way in sorted(ways, reverse=question % 2 == 0):
            loop, row = Loop(question, prompt, verdict_s, rejects, target), found[way]
            with row.timed(server, loop):
                await ways[way](server, loop)
            row.same += [s["text"] for s in loop.steps] == [s["text"] for s in expected.steps]
    return found


def children_cpu_s() -> float:
    """CPU seconds of every process below this one (Linux)."""
    parents, ticks = dict[int, int](), dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, words = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[pid], ticks[pid] = int(words[1]), int(words[11]) + int(words[12])

    def is_below(pid: int) -> bool:
        return pid in parents and (parents[pid] == os.getpid() or is_below(parents[pid]))

    return sum(ticks[pid] for pid in ticks if is_below(pid)) / os.sysconf("SC_CLK_TCK")


class Target:
    """The shipped target; whatever was asked once is known from then on."""

    def __init__(self, questions: Mapping[str, str]) -> None:
        self._model = step_model("embedded:target", "target")
        self._questions = questions
        self._known: dict[tuple[str, str], Candidate] = {}

    async def write(self, prefix: Prefix) -> Candidate:
        """What it writes after *prefix*, which starts with a rendered prompt."""
        prompt = prefix.conversation[0]["content"]
        if (prompt, prefix.text) not in self._known:
            conversation = [Message(role="user", content=self._questions[prompt])]
            request = StepRequest(Prefix(conversation, prefix.steps), MAX_TOKENS)
            self._known[prompt, prefix.text] = await self._model.write_step(request)
        return self._known[prompt, prefix.text]


async def boundaries(server: Server, prompts: Sequence[str], temperature: float) -> Counter[str]:
    """Whether the tokens of a stream are those its text is read as, at each separator in it."""
    found: Counter[str] = Counter()
    for seed, prompt in enumerate(prompts):
        ids, text = await server.tokenize(prompt), ""
        async with aclosing(server.stream(prompt, temperature, seed)) as pieces:
            async for piece, new in pieces:
                ids, before, text = ids + new, text.count(SEPARATOR), text + piece
                if text.count(SEPARATOR) == before or len(new) > 1:  # vLLM may send several at once
                    continue
                found["separators"] += 1
                found["token goes on behind it"] += not text.endswith(SEPARATOR)
                found["read as other tokens"] += await server.tokenize(prompt + text) != ids
    return found


def blank_lines(vocabulary: Path, texts: Sequence[Path]) -> Counter[str]:
    """How Qwen's tokenizer cuts texts at blank lines; needs tiktoken."""
    import tiktoken

    pairs = (line.split() for line in vocabulary.read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    qwen = tiktoken.Encoding("qwen", pat_str=_QWEN_SPLIT, mergeable_ranks=ranks, special_tokens={})
    found: Counter[str] = Counter()
    for path in texts:
        text = path.read_text("utf-8", errors="replace").replace("\r\n", "\n")
        for token in map(qwen.decode_single_token_bytes, qwen.encode_ordinary(text)):
            before, separator, behind = token.partition(SEPARATOR.encode())
            found["blank lines"] += bool(separator)
            found["in a token with text before it"] += bool(separator and before)
            found["in a token that goes on behind it"] += bool(separator and behind)
    return found


async def simulated(preset: Preset, answers: int = 16) -> tuple[float, float]:
    """Milliseconds to draft a step on simulated hardware: chained, and in one stream."""
    workload, clock = Workload(), asyncio.get_running_loop().time
    chain, stream = (Simulated.of(preset, workload).draft for _ in range(2))
    began, steps = clock(), 0
    for question in range(answers):
        prefix = Prefix(workload.conversation(question))
        for _ in range(workload.length(question)):
            step = await chain.write_step(StepRequest(prefix, MAX_TOKENS))
            prefix = replace(prefix, steps=[*prefix.steps, step])
        steps += len(prefix.steps)
    between = clock()
    for question in range(answers):
        prompt = render(workload.conversation(question))
        await stream.writer.complete(prompt, 10**6, one_step=False)
    return 1000 * (between - began) / steps, 1000 * (clock() - between) / steps


async def measure(name: str, root: str, count: int) -> None:
    """Every table for one server."""
    renderer = step_model("embedded:draft", "draft")
    assert isinstance(renderer, HostedModel)
    problems = [problem.question for problem in held_out_problems(count)]
    asked = {await renderer.render([Message(role="user", content=q)]): q for q in problems}
    prompts, target = list(asked), Target(asked).write
    async with aiohttp.ClientSession() as http:
        server = Server(root, name == "vLLM", http)
        for verdict_s in (0.0, 0.02):
            for rejects in (0.0, 0.15):
                found = await compare(server, prompts, target, verdict_s, rejects)
                condition = f"| {name} | {1000 * verdict_s:.0f} ms | {rejects:.0%} |"
                for way, row in found.items():
                    print(condition, way, "|", row.row(), "|", flush=True)
        print(f"load average {os.getloadavg()[0]:.1f}")
        for temperature in (0.0, 1.0):
            found_at = await boundaries(server, prompts, temperature)
            print(f"{name}, temperature {temperature}: {dict(found_at)}", flush=True)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--vllm", type=Path)
    parser.add_argument("--blank-lines", type=Path, nargs="+")
    options = parser.parse_args()
    if options.blank_lines:
        print(dict(blank_lines(options.blank_lines[0], options.blank_lines[1:])))
        return
    print(f"{options.questions} questions, load average {os.getloadavg()[0]:.1f}")
    print("| " + HEAD.replace("|", " | ") + " |\n|" + "---|" * (HEAD.count("|") + 1))
    root = step_model("embedded:draft", "draft").endpoint.root  # type: ignore[attr-defined]
    asyncio.run(measure("llama.cpp", root, options.questions))
    if options.vllm:
        from tests.live.servers import vllm

        logs, more = Path(tempfile.mkdtemp()), ["--max-model-len", "512"]
        with vllm(options.vllm, MODELS / "draft", logs, name="draft", more=more) as endpoint:
            asyncio.run(measure("vLLM", endpoint.root, options.questions))
    for preset in presets().values():
        chain, stream = run_virtual(simulated(preset))
        print(f"{preset.name}, simulated: chained {chain:.1f}, streamed {stream:.1f} ms a step")


if __name__ == "__main__":
    main()
