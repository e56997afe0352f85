"""The flags that were written down are those of the vLLM that is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.vllm_arguments import installed, recorded

pytestmark = pytest.mark.live


def test_vllm_has_the_flags_that_were_written_down(venvs: Path) -> None:
    """Else write them anew: `python -m tests.helpers.vllm_arguments .venv-live/vllm`."""
    assert installed(venvs / "vllm") == recorded()
