"""Chat templates of real models, as `trl` ships them to know the models by (see its README).

They are read where `make` has installed them (`pip install --no-deps trl`), never copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import CapabilityError, ChatRSD, Endpoint, FunctionPRM, HostedModel, Prefix
from rsd_graph.answer.state import Message
from rsd_graph.answer.thinking import ThinkingFormat
from rsd_graph.providers.wires.templates import ChatTemplate
from tests.helpers.bigram import write_bigram_model
from tests.helpers.thinking_wire import SayingWire, phased

TRL = find_spec("trl")
pytestmark = pytest.mark.skipif(TRL is None, reason="needs trl's chat templates: make")

QUESTION = [Message(role="user", content="What is </think>?")]
OURS = ("<think>\n", "\n</think>\n\n", "")
OPENED = ("<think>\n", "\n</think>\n\n", "<think>\n")
SWITCHED_OFF = ("<think>\n", "\n</think>\n\n", "<think>\n\n</think>\n\n")

FORMATS = {
    "qwen3": OURS,
    "qwen3_5_think": OPENED,
    "qwen3_5_nothink": SWITCHED_OFF,
    "qwen3_6": OPENED,
    "qwen3_8": OPENED,
    "deepseek_r1_distill": OPENED,
    "deepseekv3": OPENED,
    "glm4moe": ("\n<think>", "</think>\n", ""),
    "nemotron_3_nano": OPENED,
    "nemotron_3_super": OPENED,
    "nemotron_3_ultra": OPENED,
    "lfm2_2_5_v2": OURS,
    "qwen2_5": None,
    "qwen3_instruct_2507": None,
    "llama3_1": None,
    "phi3_5": None,
    "gemma4_v5": None,
}
"""Template -> what is found in it: what opens, what closes, and what of it ends the prompt."""


def source(name: str) -> str:
    """The template's text."""
    (folder,) = TRL.submodule_search_locations if TRL else ()  # type: ignore[misc]
    return Path(folder, "chat_templates", f"{name}.jinja").read_text("utf-8")


class Rendering(SayingWire):
    """Renders by a genuine template."""

    endpoint = Endpoint("http://model:1", role="target")

    def __init__(self, name: str) -> None:
        super().__init__("", "")
        tokens = {"bos_token": "<s>", "eos_token": "</s>"}
        self.template = ChatTemplate(source(name), tokens)

    async def render(self, conversation: Sequence[Message]) -> str:
        return self.template.render(conversation)


@pytest.mark.parametrize(("name", "shown"), FORMATS.items(), ids=FORMATS)
async def test_the_markers_are_found(name: str, shown: tuple[str, str, str] | None) -> None:
    """Opened in the prompt, switched off there, deleted from earlier turns, or none at all."""
    found = await HostedModel(Rendering(name)).thinker.format()

    assert found == (shown and ThinkingFormat(*shown))


@pytest.mark.parametrize("name", ["gptoss", "muse_glimmer"])
async def test_channels_are_refused(name: str) -> None:
    """Harmony and its kin: where a channel ends no marker says."""
    with pytest.raises(CapabilityError, match="Harmony's channels"):
        await HostedModel(Rendering(name)).thinker.format()


@pytest.mark.parametrize(
    "name", ["qwen3", "qwen3_5_think", "qwen3_5_nothink", "qwen3_6", "qwen3_8", "glm4moe"]
)
async def test_our_prompt_is_what_the_template_makes_of_such_a_turn(name: str) -> None:
    """To the last line break: thinking and answer so far stand as the model has learnt them."""
    model = HostedModel(wire := Rendering(name))
    steps = [
        phased("A.", "thinking"),
        phased("B.", "thinking", "closed"),
        phased("C.", "answer", "eos"),
    ]
    turn: Any = {"role": "assistant", "content": "C.", "reasoning_content": "A.\n\nB."}

    prompt = await model.prompt(Prefix(QUESTION, steps, phase="answer"))

    assert wire.template.render([*QUESTION, turn]).startswith(prompt)


@pytest.mark.parametrize(
    "name",
    [
        *("qwen3", "qwen3_5_think", "qwen3_5_nothink", "deepseek_r1_distill", "glm4moe"),
        *("nemotron_3_nano", "lfm2_2_5_v2"),
    ],
)
def test_a_real_server_thinks_by_them(name: str, serve_gguf: Any, tmp_path: Path) -> None:
    """llama.cpp renders each its own way; the thinking is told apart, and no marker is left."""
    pytest.importorskip("gguf")
    endpoint = serve_gguf(write_bigram_model(tmp_path / "thinks.gguf", template=source(name)))
    models = dict.fromkeys(("draft", "target"), f"llamacpp+{endpoint.url}")
    prm = FunctionPRM(lambda question, steps: 0.9)

    message = ChatRSD(**models, prm=prm, thinking="on").invoke("3+4?")

    assert message.additional_kwargs["reasoning_content"] == "Hm, 7?"
    assert message.content == "So 7."
