"""The doctor on models that are to think, or to be kept from it: real llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gguf")

from rsd_graph import Endpoint, HostedModel, Limits, Phases
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.stacks.doctor.finding import Seat
from rsd_graph.stacks.doctor.thinking import is_quiet, thinks
from tests.helpers.bigram import THINKING, write_bigram_model
from tests.helpers.doctor_support import BIGRAM

SEAT = Seat("draft", BIGRAM, Limits(), "\n\n", phases=Phases("on"))


@pytest.fixture(scope="module")
def thinker(serve_gguf: Any, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    """A server whose template opens the thinking."""
    path = tmp_path_factory.mktemp("gguf") / "thinks.gguf"
    return serve_gguf(write_bigram_model(path, template=THINKING))  # type: ignore[no-any-return]


async def test_it_shows_how_a_model_marks_its_thinking(thinker: Endpoint) -> None:
    """The markers, who writes the first one, and a first step."""
    finding = await thinks(SEAT, HostedModel(LlamaCppWire(thinker)))

    assert finding == (
        "pass",
        "<think> written by its template, closed by '\\n</think>\\n\\n'; "
        "first step: thinking, ended by closed",
        "",
    )


async def test_a_marker_of_several_tokens_is_told(thinker: Endpoint) -> None:
    """The model was hardly trained on it."""
    model = HostedModel(LlamaCppWire(thinker), think="<seed:think>")

    verdict, seen, _ = await thinks(SEAT, model)

    assert verdict == "warn"
    assert seen.endswith("</seed:think> is 13 tokens")


async def test_it_shows_what_keeps_a_model_from_thinking(
    thinker: Endpoint, llamacpp_server: Endpoint
) -> None:
    """The empty block in its prompt; a model without markers needs none."""
    hybrid, plain = (HostedModel(LlamaCppWire(at)) for at in (thinker, llamacpp_server))

    found = [(await is_quiet(SEAT, model))[1] for model in (hybrid, plain)]

    assert found == [
        "switched off by '<think>\\n\\n</think>\\n\\n' in the prompt",
        "it marks no thinking: nothing to switch off",
    ]


async def test_a_model_without_markers_fails(llamacpp_server: Endpoint, tmp_path: Path) -> None:
    """With the words that say what to set."""
    model = HostedModel(LlamaCppWire(llamacpp_server))

    check = await SEAT.check("thinking", thinks(SEAT, model))

    assert check.verdict == "fail"
    assert "?think=<think>" in check.fix
