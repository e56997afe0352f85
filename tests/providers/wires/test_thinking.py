"""How a hosted model's thinking is found in its template, and written into its prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rsd_graph import CapabilityError, ConfigurationError, Endpoint, HostedModel, Prefix, candidate
from rsd_graph.answer.state import Candidate, Message
from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.registry import step_model
from rsd_graph.providers.wires.templates import ChatTemplate
from tests.helpers.chat_templates import TEMPLATES
from tests.helpers.thinking_wire import SayingWire, phased

QUESTION = [Message(role="user", content="What is </think>?")]


class Rendering(SayingWire):
    """Renders by one of the templates."""

    endpoint = Endpoint("http://model:1", role="target")

    def __init__(self, name: str) -> None:
        super().__init__("", "")
        self._template = ChatTemplate(TEMPLATES[name], {"bos_token": "<s>"})

    async def render(self, conversation: Sequence[Message]) -> str:
        return self._template.render(conversation)


HEADERS = (
    *("<|im_start|>assistant\n", "<|start_of_role|>assistant\n", "<seed:bos>assistant\n"),
    *("<\uff5cAssistant\uff5c>", "<|assistant|>"),
)
THOUGHT = [phased("A.", "thinking"), phased("B.", "thinking", "closed")]


async def tail(model: HostedModel, *steps: Candidate, phase: Any = "thinking") -> str:
    """What a prompt adds to the assistant's header."""
    prompt = await model.prompt(Prefix(QUESTION, steps, phase=phase))
    for header in HEADERS:
        if header in prompt:
            return prompt.rpartition(header)[2]
    raise AssertionError(prompt)


@pytest.mark.parametrize(
    ("name", "thinking", "answer", "off"),
    [
        *(
            (
                name,
                "<think>\nA.\n\n",
                "<think>\nA.\n\nB.\n</think>\n\nC.",
                "<think>\n\n</think>\n\n",
            )
            for name in (
                *("Qwen3", "Qwen3, switched off", "Qwen3-Thinking-2507", "QwQ"),
                *("DeepSeek-R1 and distills", "GLM-4.5"),
            )
        ),
        ("DeepSeek-V3.1", "<think>A.\n\n", "<think>A.\n\nB.</think>C.", "</think>"),
        (
            "Seed-OSS",
            "<seed:think>A.\n\n",
            "<seed:think>A.\n\nB.</seed:think>\nC.",
            "<seed:think></seed:think>\n",
        ),
    ],
)
async def test_the_markers_are_those_of_the_template(
    name: str, thinking: str, answer: str, off: str
) -> None:
    """Opened by the template or by us, never twice; the question's own markers are text."""
    model = HostedModel(Rendering(name))

    assert await tail(model, THOUGHT[0]) == thinking
    assert await tail(model, *THOUGHT, phased("C.", "answer", "eos"), phase="answer") == answer
    assert await tail(model.without_thinking(), phase="answer") == off


async def test_an_answer_never_goes_on_with_a_thought_that_was_cut() -> None:
    """For a model that is kept from thinking, to which thoughts are plain text."""
    quiet = HostedModel(Rendering("Qwen2.5")).without_thinking()
    thoughts = [phased("A.", "thinking"), phased("B is", "thinking", "length")]

    begun = await tail(quiet, *thoughts, phase="answer")
    later = await tail(quiet, *thoughts, phased("C.", "answer"), phase="answer")

    assert (begun, later) == ("A.\n\nB is\n\n", "A.\n\nB is\n\nC.\n\n")


async def test_no_separator_stands_before_the_closing_marker() -> None:
    """Whatever separates steps, and however the last thought ended: blank space or not."""
    model = HostedModel(Rendering("Qwen3"))
    thoughts = [phased("A.", "thinking"), phased("B.", "thinking")]

    prompt = await model.prompt(Prefix(QUESTION, thoughts, "###", phase="answer"))

    assert prompt.endswith("<think>\nA.###B.\n</think>\n\n")


@pytest.mark.parametrize("name", ["Qwen2.5", "Granite 3", "no earlier answers"])
async def test_a_template_without_markers_is_refused(name: str) -> None:
    """Neither shown nor deleted: the error says what to set. Kept from thinking it needs none."""
    model = HostedModel(Rendering(name))

    with pytest.raises(CapabilityError, match=r"\?think=<think> in its endpoint string"):
        await tail(model)
    assert await tail(model.without_thinking(), phase="answer") == ""


async def test_a_marker_can_be_named() -> None:
    """In the endpoint string, where the template does not tell."""
    model = step_model("vllm+http://gpu:8000/v1?think=<seed:think>#seed-oss", "draft")
    assert isinstance(model, HostedModel)

    assert model.thinker.think == "<seed:think>"


@pytest.mark.parametrize("name", ["Seed-OSS", "Granite 3"])
async def test_a_named_marker_stands_as_the_template_writes_it(name: str) -> None:
    """With its line breaks, or none, where it shows an earlier thought; else with the usual."""
    named = HostedModel(Rendering(name), think="<seed:think>")

    shown = await tail(named, *THOUGHT, phase="answer")

    assert (
        shown
        == {
            "Seed-OSS": "<seed:think>A.\n\nB.</seed:think>\n",
            "Granite 3": "<seed:think>\nA.\n\nB.\n</seed:think>\n\n",
        }[name]
    )


@pytest.mark.parametrize("think", ["<|channel>thought", "</think>", "think", "<think", "<a><b>"])
def test_a_marker_that_no_slash_closes_is_refused(think: str) -> None:
    """Before any server is asked: what would close it is a guess."""
    with pytest.raises(ConfigurationError, match="is no marker that opens thinking"):
        HostedModel(Rendering("Seed-OSS"), think=think)


async def test_harmony_is_refused() -> None:
    """Channels are no pair of markers."""
    with pytest.raises(CapabilityError, match="Harmony's channels"):
        await tail(HostedModel(Rendering("gpt-oss")))


async def test_who_leaves_thinking_unset_sees_no_difference() -> None:
    """The template's own prompt, and no question asked about it."""
    wire = Rendering("Qwen3, switched off")

    prompt = await HostedModel(wire).prompt(Prefix(QUESTION, [candidate("A.")]))

    assert prompt == await wire.render(QUESTION) + "A.\n\n"


async def test_a_server_that_does_not_say_what_it_stopped_at_cannot_tell_the_phases() -> None:
    """The separator or the end of the thinking: RSD must know which."""

    class Silent(SayingWire):
        async def complete(self, request: Any) -> Any:
            done = await super().complete(request)
            return type(done)(done.text, done.ended, done.usage)

    model = HostedModel(Silent("A.\n\nB.</think>", "C."))

    with pytest.raises(CapabilityError, match="which of two stop strings"):
        await model.write_step(StepRequest(Prefix(QUESTION, phase="thinking"), 9))
