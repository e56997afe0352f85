"""Print the oldest versions that pyproject.toml allows, as pip's constraints: for `make oldest`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
BOUND = re.compile(r"(?P<name>[\w.-]+)(\[\w+\])?(>=|==)(?P<version>[\d.]+)")


def oldest() -> list[str]:
    """`name==version` for each package with a lower bound, of all extras."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    wanted = sum(project["optional-dependencies"].values(), project["dependencies"])
    bounds = map(BOUND.match, wanted)
    return [f"{bound['name']}=={bound['version']}" for bound in bounds if bound]


if __name__ == "__main__":
    print(*oldest(), sep="\n")
