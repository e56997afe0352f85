"""The files for deployment say what the program and its metrics really know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from rsd_graph.cli import app
from rsd_graph.server.metrics import Metrics
from rsd_graph.stacks.config import load_config

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGE = DEPLOY.parent / "docs" / "how-to" / "serve.md"


def _flags_of_serve() -> set[str]:
    group: Any = typer.main.get_command(app)
    return {option for parameter in group.commands["serve"].params for option in parameter.opts}


def _metrics() -> set[str]:
    """Every name on `/metrics`, without what a histogram adds to its own."""
    told = Metrics().exposition().decode()
    return set(re.findall(r"^# TYPE (\S+)", told, re.MULTILINE))


def test_the_compose_file_starts_what_there_is() -> None:
    """Its flags are flags of `rsd-graph serve`, and its stack file loads."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    used = {word for word in services["rsd"]["command"] if word.startswith("--")}

    assert used <= _flags_of_serve()
    assert list(load_config(DEPLOY / "rsd.toml").stacks) == ["math"]
    assert services["rsd"]["read_only"] is True


def test_it_has_time_to_drain() -> None:
    """Compose waits longer before it kills than answers in flight may take."""
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["rsd"]
    drain = float(service["command"][service["command"].index("--drain") + 1])

    assert float(service["stop_grace_period"].removesuffix("s")) > drain


def test_the_image_runs_as_nobody_in_particular() -> None:
    """Not as root; its flags are flags of `rsd-graph serve`."""
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    words = set(re.findall(r'"(--[\w-]+)"', "\n".join(lines[-2:])))

    assert "USER rsd" in lines
    assert words == {"--host", "--config"}
    assert words <= _flags_of_serve()


@pytest.mark.parametrize("file", [DEPLOY / "grafana" / "rsd.json", PAGE], ids=lambda p: p.name)
def test_every_metric_that_is_shown_exists(file: Path) -> None:
    """Dashboard and docs name no metric that the server does not have."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        text = " ".join(t["expr"] for p in json.loads(text)["panels"] for t in p["targets"])
    named = set(re.findall(r"\brsd_[a-z_]+", text)) - {"rsd_graph"}

    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in named}

    assert shown
    assert shown - _metrics() == set()
