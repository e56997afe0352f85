"""Build the wheel and use it as a user would: installed, outside the source tree.

Run by `make wheel`; not collected by pytest because it needs a virtual environment of its own.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

from installed import ROOT, build, environment, install, run

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


def check_types(place: Path, python: Path) -> None:
    """Code of a user passes type checkers that know the wheel only as it is installed.

    mypy without pydantic's plug-in; pyright as PyPI alone can install it.
    """
    pyright = environment(place / "pyright", "basedpyright") / "basedpyright"
    code = place / "code"
    code.mkdir()
    shutil.copy(ROOT / "tests" / "typing" / "user_code.py", code)
    (code / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", python)
    run(*mypy, "user_code.py", cwd=code)
    run(pyright, "--pythonpath", python, "user_code.py", cwd=code)


def main() -> None:
    """Build, install, import, solve one held-out problem from Python and from the shell; types."""
    from rsd_graph.embedded.task import held_out_problems

    question = held_out_problems(1)[0].question
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        wheel = build(place / "dist")
        assert not [name for name in ZipFile(wheel).namelist() if name.endswith(".safetensors")]
        programs = install(wheel, place / "venv", "embedded")
        print(run(programs / "python", "-I", "-c", SMOKE.format(question=question), cwd=place))
        solved = json.loads(run(programs / "rsd-graph", "solve", question, "--json", cwd=place))
        assert solved["steps"], solved
        assert "mermaid" not in run(programs / "rsd-graph", "graph", cwd=place)
        check_types(place, programs / "python")
    print(f"wheel ok: {wheel.name}, {len(solved['steps'])} steps solved from the shell")


if __name__ == "__main__":
    main()
