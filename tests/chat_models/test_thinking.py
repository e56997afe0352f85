"""Models that think before they answer: phases, budgets, and what of it is in the message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ChatRSD, ConfigurationError, FunctionPRM, HostedModel
from rsd_graph.errors import CapabilityError
from tests.helpers.bigram import THINKING, write_bigram_model
from tests.helpers.thinking_wire import SayingWire

THOUGHT, ANSWER = "Two and two.\n\nThat is four, surely.\n</think>\n\n", "It is 4.\n\nDone."


def thinker(thought: str = THOUGHT, answer: str = ANSWER, **options: Any) -> ChatRSD:
    """A chat model whose draft and target say the same."""
    models = {
        "draft": HostedModel(SayingWire(thought, answer)),
        "target": HostedModel(SayingWire(thought, answer)),
        "prm": FunctionPRM(lambda question, steps: 0.1 if "wrong" in steps[-1] else 0.9),
    }
    return ChatRSD(**{**models, "thinking": "on", "min_step_tokens": 1, **options})


def told(message: Any) -> tuple[str, str]:
    """The reasoning and the answer of a message."""
    return message.additional_kwargs.get("reasoning_content", ""), message.text


def phases(message: Any) -> list[tuple[str, str, str]]:
    """Of each step its phase, text and end."""
    steps = message.response_metadata["rsd"]["steps"]
    return [(step["phase"], step["text"], step["ended"]) for step in steps]


def test_thinking_and_answer_are_told_apart() -> None:
    """The content is the answer; a reasoning block holds the thinking, counted in the usage."""
    message = thinker().invoke("2 + 2?")

    assert message.content == "It is 4.\n\nDone."
    assert message.content_blocks[0] == {
        "type": "reasoning",
        "reasoning": "Two and two.\n\nThat is four, surely.",
    }
    assert phases(message) == [
        ("thinking", "Two and two.", "separator"),
        ("thinking", "That is four, surely.", "closed"),
        ("answer", "It is 4.", "separator"),
        ("answer", "Done.", "eos"),
    ]
    thinking = message.response_metadata["rsd"]["thinking"]
    assert thinking == {
        "steps": 2,
        "tokens": thinking["tokens"],
        "draft_tokens": thinking["tokens"],
        "target_tokens": 0,
        "finish": "closed",
    }
    assert message.usage_metadata["output_token_details"]["reasoning"] == thinking["tokens"]


def test_the_message_tells_who_thought() -> None:
    """The tokens of thinking in the answer, by who wrote them; rejected drafts are not in it."""
    draft = HostedModel(SayingWire("wrong.\n\nwrong.</think>", "4."))

    message = thinker(draft=draft).invoke("2 + 2?")

    thinking = message.response_metadata["rsd"]["thinking"]
    ledger = message.response_metadata["rsd"]["ledger"]
    assert thinking["draft_tokens"] == 0
    assert thinking["target_tokens"] == ledger["target"]["completion_tokens"]


@pytest.mark.parametrize("opened", ["<think>\n", ""], ids=["open in the prompt", "hybrid"])
@pytest.mark.parametrize(
    ("thought", "answer", "reasoning", "content"),
    [
        ("a\n\nb</think>", "c\n\nd", "a\n\nb", "c\n\nd"),
        ("a\n\n</think>\n\n", "b", "a", "b"),
        ("</think>\n\n", "b", "", "b"),
        ("a </think> ", "b", "a", "b"),
        ("a\n</think>\n\n", "</think>b", "a", "b"),
        ("a\n</think>\n\n", "b <think> c", "a", "b  c"),
        ("<think>\na</think>", "b", "a", "b"),
        ("so:\n```\n</think>\n\nx\n```\ny</think>", "b", "so:\n```\n</think>\n\nx\n```\ny", "b"),
        ("so:\n$$\nx\n\ny\n$$ z\n</think>", "b", "so:\n$$\nx\n\ny\n$$ z", "b"),
        ("a\n\nand no marker", "", "a\n\nand no marker", ""),
    ],
    ids=[
        *("mid-step", "after a separator", "empty thinking", "in one line", "closed twice"),
        *("opened again", "opened twice", "in a code block", "display maths", "missing"),
    ],
)
def test_wherever_the_markers_stand(
    thought: str, answer: str, reasoning: str, content: str, opened: str
) -> None:
    """None is part of a message, and none inside a block closes anything."""
    draft, target = (HostedModel(SayingWire(thought, answer, opened)) for _ in range(2))
    message = thinker(draft=draft, target=target).invoke("2 + 2?")

    assert told(message) == (reasoning, content)


def test_a_marker_in_the_question_is_text() -> None:
    """Only what the model writes opens or closes anything."""
    message = thinker().invoke("What does </think> mean? <think>\n")

    assert told(message) == ("Two and two.\n\nThat is four, surely.", "It is 4.\n\nDone.")


@pytest.mark.parametrize("budget", range(3, 24))
def test_a_marker_may_be_split_over_two_requests(budget: int) -> None:
    """A budget that ends inside a marker leaves no half of it, in whichever step it does."""
    reasoning, content = told(thinker(max_step_tokens=budget).invoke("2 + 2?"))

    assert reasoning.rstrip() == "Two and two.\n\nThat is four, surely."
    assert content == "It is 4.\n\nDone."


@pytest.mark.parametrize(
    ("limits", "reasoning", "finish"),
    [
        ({"max_thinking_steps": 1}, "Two and two.", "forced"),
        ({"max_thinking_steps": 2}, "Two and two.\n\nThat is four, surely.", "closed"),
        ({"max_thinking_tokens": 4}, "Two and two.", "forced"),
        ({"max_thinking_tokens": 5}, "Two and two.\n\nThat", "forced"),
        ({"max_thinking_tokens": 99}, "Two and two.\n\nThat is four, surely.", "closed"),
    ],
)
def test_a_budget_closes_the_thinking(limits: Any, reasoning: str, finish: str) -> None:
    """Over the whole answer, whoever wrote; the answer follows all the same."""
    message = thinker(**limits).invoke("2 + 2?")

    assert told(message) == (reasoning, ANSWER)
    assert message.response_metadata["rsd"]["thinking"]["finish"] == finish


def test_thinking_that_goes_round_in_circles_is_closed() -> None:
    """The answer is written, instead of ending in `repetition`."""
    message = thinker("Wait.\n\nNo.\n\n" * 9, "4.", max_repeats=2).invoke("2 + 2?")

    assert told(message) == ("Wait.\n\nNo.\n\nWait.", "4.")
    assert message.response_metadata["rsd"]["thinking"]["finish"] == "forced"


def test_a_step_that_says_the_same_over_and_over_closes_the_thinking() -> None:
    """A model may be stuck without a separator: its first step that was cut is its last thought."""
    stuck = "Let me see. " + "No, wait, that is not it. " * 40

    message = thinker(stuck, "4.", max_step_tokens=60).invoke("2 + 2?")

    assert message.text == "4."
    assert message.response_metadata["rsd"]["thinking"]["steps"] == 1


@pytest.mark.parametrize(
    "limits",
    [
        {"max_tokens": 40, "max_thinking_tokens": 400, "max_step_tokens": 10},
        {"max_tokens": 12, "max_thinking_tokens": 12},
        {"max_steps": 3, "max_thinking_steps": 3},
        {"max_steps": 1},
        {"max_tokens": 4},
    ],
)
def test_thinking_leaves_room_for_an_answer(limits: dict[str, int]) -> None:
    """Whatever the budgets say: who asks for an answer does not get thoughts alone."""
    thoughts = "".join(f"thought {number} is new.\n\n" for number in range(90))

    message = thinker(thoughts, "4.", **limits).invoke("2 + 2?")

    assert message.text.startswith("4")


def test_short_thinking_lines_are_one_step() -> None:
    """A step of fewer than `min_step_tokens` goes on; the answer's steps do not."""
    message = thinker("Hm.\n\nWait, no.\n\nIt is four.\n</think>", "A.\n\nB.", min_step_tokens=4)

    steps = phases(message.invoke("2 + 2?"))

    assert steps == [
        ("thinking", "Hm.\n\nWait, no.", "separator"),
        ("thinking", "It is four.", "closed"),
        ("answer", "A.", "separator"),
        ("answer", "B.", "eos"),
    ]


@pytest.mark.parametrize(
    ("thinking", "quiet"), [("target", {0}), ("draft", {1}), ("off", {0, 1}), ("on", set())]
)
def test_thinking_off_closes_it_in_the_prompt(thinking: str, quiet: set[int]) -> None:
    """For one role or both: an empty block, then the plain text so far."""
    wires = [SayingWire("Hm.</think>", "It is 4.") for _ in range(2)]
    prm = FunctionPRM(lambda question, steps: 0.1)  # so that both are asked
    models = {"draft": HostedModel(wires[0]), "target": HostedModel(wires[1]), "prm": prm}
    ChatRSD(**models, thinking=thinking, min_step_tokens=1).invoke("2 + 2?")

    begun = [wire.requests[0].prompt.partition("<|assistant|>\n")[2] for wire in wires]

    silenced = {i for i, prompt in enumerate(begun) if prompt == "<think>\n\n</think>\n\n"}
    assert silenced == quiet


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_thinking_tokens": 4, "min_step_tokens": 5}, "has no room for one step"),
        ({"thinking": None, "answer_by": "target"}, "answer_by is said, and thinking is not"),
        ({"thinking": None, "max_thinking_steps": 3}, "max_thinking_steps is said"),
        ({"accept": {"thinking": "clipping"}}, "one criterion each for thinking and answer"),
        ({"thinking": None, "accept": {"thinking": "clipping", "answer": "clipping"}}, "accept"),
        ({"thinking": "maybe"}, "thinking"),
    ],
)
def test_what_would_have_no_effect_is_refused(options: dict[str, Any], words: str) -> None:
    """Before any server is asked."""
    with pytest.raises(ConfigurationError, match=words):
        thinker(**options)


def test_a_model_without_markers_cannot_be_asked_to_think() -> None:
    """The error says what to set instead."""

    class Plain(SayingWire):
        async def render(self, conversation: Any) -> str:
            return "".join(f"<|{turn['role']}|>{turn['content']}" for turn in conversation)

    with pytest.raises(CapabilityError, match=r"\?think=<think>.*thinking='off'"):
        thinker(draft=HostedModel(Plain("x", "y"))).invoke("2 + 2?")


def test_harmony_is_refused() -> None:
    """gpt-oss has channels, not markers."""

    class Harmony(SayingWire):
        async def render(self, conversation: Any) -> str:
            return "<|start|>user<|message|>2 + 2?<|end|><|start|>assistant"

    with pytest.raises(CapabilityError, match="Harmony's channels"):
        thinker(draft=HostedModel(Harmony("x", "y"))).invoke("2 + 2?")


def test_a_stream_shows_reasoning_as_it_is_settled() -> None:
    """One chunk a step: reasoning blocks first, then text."""
    chunks = list(thinker().stream("2 + 2?"))

    shown = [
        block for chunk in chunks for block in chunk.content_blocks if block.get("index") is None
    ]
    kinds = [(block["type"], block.get("reasoning") or block.get("text")) for block in shown]
    assert kinds == [
        ("reasoning", "Two and two."),
        ("reasoning", "\n\nThat is four, surely."),
        ("text", "It is 4."),
        ("text", "\n\nDone."),
    ]


@pytest.mark.parametrize("sees", ["both", "answer"])
def test_a_real_server_meets_the_marker(serve_gguf: Any, tmp_path: Path, sees: str) -> None:
    """llama.cpp renders, thinks up to the closing marker, and answers after ours."""
    pytest.importorskip("gguf")
    endpoint = serve_gguf(write_bigram_model(tmp_path / "thinks.gguf", template=THINKING))
    models = dict.fromkeys(("draft", "target"), f"llamacpp+{endpoint.url}?logprobs=on")
    prm = FunctionPRM(lambda question, steps: 0.9)

    message = ChatRSD(**models, prm=prm, thinking="on", prm_sees=sees).invoke("3+4?")

    rewards = [step["reward"] for step in message.response_metadata["rsd"]["steps"]]
    assert told(message) == ("Hm, 7?", "So 7.")
    assert phases(message) == [("thinking", "Hm, 7?", "closed"), ("answer", "So 7.", "eos")]
    assert rewards == pytest.approx([0.9 if sees == "both" else 1.0, 0.9], abs=1e-3)
