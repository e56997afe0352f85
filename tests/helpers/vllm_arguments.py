"""The arguments of vLLM's server, written down once: a test needs no vLLM to know a wrong flag.

    python -m tests.helpers.vllm_arguments .venv-live/vllm

writes `vllm_arguments.json` beside this file; the live suite compares it with the vLLM it runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")

_ASK = """
import json, vllm
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
actions = make_arg_parser(FlexibleArgumentParser())._actions
flags = sorted({flag for one in actions for flag in one.option_strings if flag[:2] == "--"})
print(json.dumps({"version": vllm.__version__, "flags": flags}))
"""


def recorded() -> dict[str, Any]:
    """The version and the flags that were written down."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return found


def installed(venv: Path) -> dict[str, Any]:
    """The version and the flags of the vLLM in *venv*."""
    command = [venv / "bin" / "python", "-c", _ASK]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(installed(Path(sys.argv[1]).resolve()), indent=0) + "\n", "utf-8")
