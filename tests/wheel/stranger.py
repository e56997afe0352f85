"""The first hour of somebody new: the wheel in an empty environment, and every mistake there is.

Run by `make stranger`. It does what the README says, makes the mistakes people make on the command
line, and writes three applications. Each line it prints is one thing that was tried; the first that
is not as expected ends it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from applications import AGENT, CHAIN, SERVICE
from installed import build, install

STORY = (
    "Carl has 14 cards.\nMonday buys 65.\nTuesday sells 54.\nWednesday finds 33.\nHow many cards?"
)

STACK = """
[stacks.math]
draft = "embedded:draft"
target = "embedded:target"
prm = "embedded:prm"
delta = 0.7
"""

FILES: dict[str, str | bytes] = {
    "story.txt": STORY,
    "latin.txt": b"caf\xe9",
    "utf16.toml": STACK.encode("utf-16"),
    "bom.toml": b"\xef\xbb\xbf" + STACK.encode(),
    "typo.toml": STACK.replace("delta", "dleta"),
    "name.toml": STACK.replace("embedded:draft", "embeded:draft"),
    "scale.toml": STACK.replace("0.7", "7"),
    "table.toml": STACK.replace("]", ""),
    "deep.toml": "a = " + "[" * 9_999,
    "long.toml": "a = " + "9" * 9_999,
    "deep.json": "[" * 99_999,
    "q.jsonl": json.dumps({"question": STORY}),
    "latin.jsonl": b'{"question": "a"}\n{"question": "caf\xe9"}\n',
    "broken.jsonl": '{"question": "a"}\n{"question": "b",}\n',
    "column.jsonl": '{"questoin": "a"}\n',
    "empty.jsonl": "",
    "cells.csv": "question,answer\na,1\nb,c,2\n",
    "prompts.csv": 'question,level\n"1+1?",1\n',
    "foreign.txt": "dear diary\n",
}


class Try(NamedTuple):
    """A command line, its exit code, and how the first line on standard error begins."""

    command: str
    code: int
    error: str = ""


README = [
    Try("rsd-graph solve - < story.txt", 0, "draft embedded:draft, target "),
    Try("rsd-graph graph", 0),
]

MISTAKES = [
    Try("rsd-graph slove hi", 2, "Usage: rsd-graph [OPTIONS] COMMAND"),
    Try("rsd-graph solve", 2, "Usage: rsd-graph solve"),
    Try("rsd-graph solve hi --detla 0.5", 2, "Usage: rsd-graph solve"),
    Try("rsd-graph solve ''", 1, "error: The question is empty."),
    Try("rsd-graph solve - <&-", 1, "error: The question is empty."),
    Try("rsd-graph solve - < latin.txt", 1, "error: standard input, line 1, is not UTF-8: "),
    Try("rsd-graph solve 'What is 2+2?' --json", 0, "note: The models shipped with rsd-graph "),
    Try("rsd-graph solve hi --stack math", 2, "Usage: rsd-graph solve"),
    Try("rsd-graph solve hi --draft embedded:draft", 1, "error: half a stack: draft named, "),
    Try("RSD_TARGET=embedded:target rsd-graph solve hi", 1, "error: half a stack: target named, "),
    Try("RSD_DELTA=high rsd-graph solve hi", 1, "error: RSD_DELTA in the environment: --delta"),
    Try("rsd-graph solve hi --delta 7", 1, "error: prm: --delta 7.0 is outside the PRM's reward"),
    Try("rsd-graph solve hi --delta deep.json", 1, "error: deep.json is no calibration file: "),
    Try("rsd-graph solve hi --config nowhere.toml", 1, "error: nowhere.toml cannot be read: No"),
    Try("rsd-graph solve hi --config utf16.toml", 1, "error: utf16.toml, line 1, is not UTF-8: "),
    Try("rsd-graph solve hi --config table.toml", 1, "error: table.toml is not TOML: "),
    Try("rsd-graph solve hi --config deep.toml", 1, "error: deep.toml is no configuration: "),
    Try("rsd-graph solve hi --config long.toml", 1, "error: long.toml is no configuration: "),
    Try(
        "rsd-graph doctor --config typo.toml",
        1,
        "error: typo.toml, line 6: there is no option 'dleta' in stacks.math. Did you mean 'delta'",
    ),
    Try(
        "rsd-graph serve --config name.toml",
        1,
        "error: draft at embeded:draft in name.toml, line 3",
    ),
    Try(
        "rsd-graph solve hi --config scale.toml", 1, "error: prm at scale.toml, line 6: --delta 7.0"
    ),
    Try(
        "rsd-graph solve hi --config bom.toml --stack maths", 1, "error: no stack 'maths'. Did you"
    ),
    Try(
        "rsd-graph batch latin.jsonl out.jsonl --json",
        1,
        "error: latin.jsonl, line 2, is not UTF-8: ",
    ),
    Try(
        "rsd-graph batch broken.jsonl out.jsonl --json",
        1,
        "error: line 2 of broken.jsonl is not JSON, at",
    ),
    Try(
        "rsd-graph batch column.jsonl out.jsonl --json",
        1,
        "error: line 1 of column.jsonl has no question",
    ),
    Try("rsd-graph batch cells.csv out.jsonl --json", 1, "error: line 3 of cells.csv has 3 cells."),
    Try("rsd-graph batch empty.jsonl out.jsonl --json", 1, "error: There is no question in empty."),
    Try(
        "rsd-graph batch deep.json out.jsonl --json",
        1,
        "error: deep.json is not JSON that can be read: ",
    ),
    Try(
        "rsd-graph batch nowhere.jsonl out.jsonl --json",
        1,
        "error: There is no dataset, file or folder",
    ),
    Try("rsd-graph batch q.jsonl out.jsonl --limit 0", 2, "Usage: rsd-graph batch"),
    Try("rsd-graph batch q.jsonl q.jsonl --json", 1, "error: q.jsonl is no journal."),
    Try("rsd-graph eval --limit 0", 2, "Usage: rsd-graph eval"),
    Try(
        "rsd-graph eval --limit 1 --json --dataset gsm9k", 1, "error: There is no dataset, file or"
    ),
    Try("rsd-graph eval --limit 1 --json --arms nonsense", 1, "error: there is no arm 'nonsense'."),
    Try("rsd-graph eval --limit 1 --json --journal foreign.txt", 1, "error: line 1 of foreign.txt"),
    Try("rsd-graph calibrate empty.jsonl", 1, "error: There is no question in empty."),
    Try("rsd-graph view foreign.txt", 1, "error: line 1 of foreign.txt is no JSON object."),
    Try("rsd-graph up --port 99999", 2, "Usage: rsd-graph up"),
    Try("rsd-graph graph > /dev/full", 1, "error: the output: No space left on device"),
    Try("rsd-graph --version > /dev/full", 1, "error: the output: No space left on device"),
    Try("rsd-graph demo | head -3", 0),
]


class Seen(NamedTuple):
    """What a command did."""

    code: int
    output: str
    errors: str


def do(command: str, work: Path, programs: Path) -> Seen:
    """Run a command line as a shell does, with nothing of ours in its environment."""
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(work),
        "COLUMNS": "200",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Seen(done.returncode, done.stdout, done.stderr)


def expect(each: Try, work: Path, programs: Path) -> str:
    """Try one thing and tell of it; it ends the program if it is not as expected."""
    seen = do(each.command, work, programs)
    first = seen.errors.partition("\n")[0]
    as_expected = seen.code == each.code and first.startswith(each.error)
    if not as_expected or "Traceback" in seen.errors or (not each.error and seen.errors):
        raise SystemExit(f"{each}\nended with {seen.code}:\n{seen.output[-500:]}\n{seen.errors}")
    return f"{each.command}\n    {seen.code}  {first}"


def play(programs: Path, work: Path) -> None:
    """All of the first hour with programs that are installed already."""
    work.mkdir()
    for name, content in FILES.items():
        (work / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with ThreadPoolExecutor(os.cpu_count()) as hands:
        for told in hands.map(lambda each: expect(each, work, programs), [*README, *MISTAKES]):
            print(told, flush=True)
    for name, code in {"chain": CHAIN, "agent": AGENT, "service": SERVICE}.items():
        (work / f"{name}.py").write_text(code)
        seen = do(f"python -I {name}.py", work, programs)
        if seen.code or not re.search(r"\b58\b", seen.output):
            raise SystemExit(f"the application {name}: {seen}")
        print(f"{name}.py\n    {seen.code}  {' | '.join(seen.output.split())}", flush=True)


def main() -> None:
    """Build the wheel, install it with nothing else, and play."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        programs = install(build(place / "dist"), place / "venv", "embedded,serve")
        ready = time.perf_counter()
        play(programs, place / "work")
    print(
        f"{len(README) + len(MISTAKES)} commands and 3 applications as expected in "
        f"{time.perf_counter() - ready:.0f} s, after {ready - started:.0f} s of installing",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
