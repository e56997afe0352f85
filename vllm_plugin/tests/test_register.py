"""What vLLM is told. The models themselves are tested on the real vLLM: tests/live."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[1]


def test_vllm_finds_both_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point of vLLM's group registers them by name, without importing torch."""
    known: dict[str, str] = {}
    registry = SimpleNamespace(register_model=known.__setitem__)
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(ModelRegistry=registry))
    monkeypatch.syspath_prepend(str(FOLDER))
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
    ((name, place),) = project["entry-points"]["vllm.general_plugins"].items()

    EntryPoint(name, place, "vllm.general_plugins").load()()

    assert known == {
        "Qwen2LastStepReward": "rsd_vllm_prm.models:Qwen2LastStepReward",
        "Qwen2LastStepValue": "rsd_vllm_prm.models:Qwen2LastStepValue",
    }
