"""How much memory `rsd-graph batch` takes for 10,000 and for 100,000 questions.

Run `python -m benchmarks.batch_memory`; writes `benchmarks/results/batch_memory.md`. All of the
command runs but the models: the graph answers one question, with functions in their places, and
that answer is everybody's. Each size has a process of its own, which says the most memory it ever
had. `TMPDIR=/dev/shm` spares waiting for the disk after every answer.
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from rsd_graph import ChatRSD, Prefix, Scores, StepRequest, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate
from rsd_graph.cli.terminal.batch import Batch
from rsd_graph.lab.batch.budget import Budget
from rsd_graph.lab.batch.shard import Shard
from rsd_graph.lab.batch.work import Ask
from rsd_graph.lab.journal import Record
from rsd_graph.lab.question import Question
from rsd_graph.providers.scripted import FunctionStepModel

SIZES = (10_000, 100_000)
OUT = Path(__file__).parent / "results" / "batch_memory.md"
MIB = 2**20


def writes(request: StepRequest) -> Candidate:
    """An answer of one long step."""
    return candidate("So we add what was found before to what is given here. " * 12, "eos")


class Judge:
    """All steps are good."""

    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """As good as the last."""
        return Scores([0.9 for _ in candidates], usage(prompt_tokens=20))


def repeated(ask: Ask) -> Ask:
    """The first answer, for every question: its text and steps are as long as they were."""
    first: list[Record] = []

    async def again(question: Question) -> Record:
        if not first:
            first.append(await ask(question))
        return {**deepcopy(first[0]), "question": question.id, "prompt": question.text}

    return again


def answer(count: int) -> None:
    """Answer so many questions; prints the most memory this process ever had, in bytes."""
    model = FunctionStepModel(writes)
    seats = {"draft": model, "target": model, "prm": Judge()}
    llm = ChatRSD(**seats)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as held:
        questions, answers = Path(folder) / "q.jsonl", Path(folder) / "a.jsonl"
        with questions.open("w") as file:
            for n in range(count):
                file.write(json.dumps({"id": n, "question": f"What is {n} + 1? " * 20}) + "\n")
        asked = Batch.of(questions, held, llm, seats, "rsd", None, Shard(), None)
        asked = replace(asked, ask=repeated(asked.ask))
        found = asked.answered(answers, Budget(), 64, None, None, quiet=True)
        written = answers.stat().st_size
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"answers": found["answers"], "memory": most, "written": written}))


def measure() -> str:
    """The page."""
    rows, memory = [], {}
    for size in SIZES:
        command = [sys.executable, "-m", "benchmarks.batch_memory", str(size)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(said.splitlines()[-1])
        memory[size] = found["memory"]
        rows.append(
            f"| {found['answers']:,} | {found['written'] / MIB:,.0f} "
            f"| {found['memory'] / MIB:.0f} |"
        )
    few, many = SIZES
    each = (memory[many] - memory[few]) / (many - few)
    return "\n".join(
        [
            "# Memory of a batch",
            "",
            "`python -m benchmarks.batch_memory`: all of `rsd-graph batch` but the models: one "
            f"answer of the graph is given to every question; 64 answers at a time. "
            f"{platform.system()}, Python {platform.python_version()}.",
            "",
            "| questions answered | MiB of answers on disk | most MiB of memory |",
            "|---|---|---|",
            *rows,
            "",
            f"That is {each:.0f} bytes for each further question: 64 bits of each id are kept in "
            "sets, to know what is answered and that no id occurs twice.",
            "",
        ]
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        answer(int(sys.argv[1]))
    else:
        OUT.write_text(measure(), encoding="utf-8")
        print(OUT.read_text(encoding="utf-8"))
