"""What the tests of the command line share."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.helpers.bigram import write_bigram_model


@pytest.fixture(scope="session")
def bigram(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Endpoint string of a model whose every word is known; see `tests.helpers.bigram.CHAIN`."""
    pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")
    return f"embedded:{write_bigram_model(tmp_path_factory.mktemp('gguf') / 'bigram.gguf')}"


@pytest.fixture
def stack(bigram: str) -> list[str]:
    """Options that put this model in all three seats."""
    return ["--draft", bigram, "--target", bigram, "--prm", bigram]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs commands with no opinion on colour in the environment."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return CliRunner()
