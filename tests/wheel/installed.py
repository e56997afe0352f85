"""The wheel, built from the working tree and installed where nothing else is."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]


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


def install(wheel: Path, place: Path, extras: str) -> Path:
    """A fresh environment with the wheel in it; its folder of programs."""
    return environment(place, "-c", ROOT / "constraints.txt", f"{wheel}[{extras}]")


def environment(place: Path, *packages: str | Path) -> Path:
    """A fresh environment with these packages in it, installed by our pip; its programs."""
    venv.create(place)
    programs = place / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    run(*pip, "install", "-q", "--no-compile", *packages, cwd=place)
    return programs
