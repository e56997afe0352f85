"""Build the wheel and use it as a user would: installed, outside the source tree.

Run by `make wheel`; not collected by pytest because it needs a virtual environment of its own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]

SMOKE = """
import pathlib, rsd_graph
here = pathlib.Path(rsd_graph.__file__).parent
assert "site-packages" in here.parts, here
assert (here / "py.typed").exists()
from rsd_graph import ChatRSD
message = ChatRSD().invoke({question!r})
assert message.usage_metadata["output_tokens"] > 0
print(message.text)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it printed; a failure ends the check."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout


def build(into: Path) -> Path:
    """The wheel of the working tree."""
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", into, ".", cwd=ROOT)
    (wheel,) = into.glob("*.whl")
    return wheel


def install(wheel: Path, place: Path) -> Path:
    """A fresh environment with the wheel in it; its folder of programs."""
    venv.create(place, with_pip=True)
    programs = place / "bin"
    constraints = ROOT / "constraints.txt"
    target = f"{wheel}[embedded]"
    run(programs / "pip", "install", "-q", "-c", constraints, target, cwd=place)
    return programs


def check_types(place: Path, python: Path) -> None:
    """Code of a user passes type checkers that know the wheel only as it is installed.

    mypy without pydantic's plug-in; pyright as PyPI alone can install it.
    """
    checkers = place / "checkers"
    venv.create(checkers, with_pip=True)
    run(checkers / "bin" / "pip", "install", "-q", "mypy>=2", "basedpyright", cwd=place)
    code = place / "code"
    code.mkdir()
    shutil.copy(ROOT / "tests" / "typing" / "user_code.py", code)
    (code / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    programs, file = checkers / "bin", "user_code.py"
    run(programs / "mypy", "--strict", "--python-executable", python, file, cwd=code)
    run(programs / "basedpyright", "--pythonpath", python, file, cwd=code)


def main() -> None:
    """Build, install, import, solve one held-out problem from Python and from the shell; types."""
    from rsd_graph.embedded.task import held_out_problems

    question = held_out_problems(1)[0].question
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        wheel = build(place / "dist")
        programs = install(wheel, place / "venv")
        print(run(programs / "python", "-I", "-c", SMOKE.format(question=question), cwd=place))
        solved = json.loads(run(programs / "rsd-graph", "solve", question, "--json", cwd=place))
        assert solved["steps"], solved
        assert "mermaid" not in run(programs / "rsd-graph", "graph", cwd=place)
        check_types(place, programs / "python")
    print(f"wheel ok: {wheel.name}, {len(solved['steps'])} steps solved from the shell")


if __name__ == "__main__":
    main()
