"""Thinking behind OpenAI's chat API: by both names of the field, and in the usage."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from rsd_graph import ChatRSD, FunctionPRM, HostedModel
from tests.helpers.thinking_wire import SayingWire
from tests.server.conftest import Serve, stack, thinker

QUESTION = [{"role": "user", "content": "2 + 2?"}]


def fields(message: Any) -> dict[str, Any]:
    """The text fields of a message or delta that say something."""
    names = ("reasoning", "reasoning_content", "content")
    said = message.model_dump()
    return {name: said[name] for name in names if said.get(name)}


def test_a_message_holds_the_thinking_by_both_names(serve: Serve) -> None:
    """vLLM's and DeepSeek's; the content is the answer, and its tokens are counted."""
    client = serve({"math": thinker()}).client()

    answer = client.chat.completions.create(model="math", messages=QUESTION)

    assert fields(answer.choices[0].message) == {
        "reasoning": "Hm.\n\nTwo.",
        "reasoning_content": "Hm.\n\nTwo.",
        "content": "It is 4.",
    }
    thought = thinker().invoke("2 + 2?").usage_metadata["output_token_details"]["reasoning"]
    assert answer.usage.completion_tokens_details.reasoning_tokens == thought > 0


def test_a_stream_sends_it_as_it_is_settled(serve: Serve) -> None:
    """One delta a step, thinking first."""
    client = serve({"math": thinker()}).client()

    stream = client.chat.completions.create(model="math", messages=QUESTION, stream=True)

    deltas = [fields(chunk.choices[0].delta) for chunk in stream]
    assert [delta for delta in deltas if delta] == [
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"reasoning": "\n\nTwo.", "reasoning_content": "\n\nTwo."},
        {"content": "It is 4."},
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"reasoning_effort": "none"},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
        {"extra_body": {"thinking_token_budget": 0}},
    ],
)
def test_a_client_may_forbid_it(serve: Serve, asked: dict[str, Any]) -> None:
    """In OpenAI's words or a template's: the models are asked not to think."""
    client = serve({"math": thinker()}).client()

    answer = client.chat.completions.create(model="math", messages=QUESTION, **asked)

    assert answer.usage.completion_tokens_details.reasoning_tokens == 0
    assert "reasoning" not in fields(answer.choices[0].message)


def test_a_client_may_limit_it(serve: Serve) -> None:
    """As with vLLM, but over the whole answer; a stack that does not think refuses it."""
    client = serve({"math": thinker(), "plain": stack()}).client()

    def ask(model: str, budget: int) -> Any:
        asked = {"thinking_token_budget": budget}
        return client.chat.completions.create(model=model, messages=QUESTION, extra_body=asked)

    assert fields(ask("math", 2).choices[0].message)["reasoning"] == "Hm."
    with pytest.raises(openai.BadRequestError, match="thinking is not"):
        ask("plain", 9)


def test_earlier_thinking_of_a_client_is_not_asked_about_again(serve: Serve) -> None:
    """Chat programs send it back in fields and in the text; neither reaches the models."""
    wire = SayingWire("Hm.</think>", "It is 4.")
    draft, target = HostedModel(wire), HostedModel(SayingWire("Hm.</think>", "It is 4."))
    prm = FunctionPRM(lambda question, steps: 0.9)
    model = ChatRSD(draft=draft, target=target, prm=prm, thinking="on", min_step_tokens=1)
    client = serve({"math": model}).client()
    history: Any = [
        *QUESTION,
        {
            "role": "assistant",
            "content": "<think>\nLong ago\n</think>\n\nFour.",
            "reasoning": "Ago",
        },
        {"role": "user", "content": "Sure?"},
    ]

    client.chat.completions.create(model="math", messages=history)

    assert not [request for request in wire.requests if "ago" in request.prompt.lower()]
