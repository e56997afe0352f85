"""The approximation on hosted chat models: LangChain's own fakes, and a replayed endpoint."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from langchain_core.exceptions import ContextOverflowError as LangChainsOverflowError
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from rsd_graph.answer.state import Message
from rsd_graph.errors import MalformedResponseError, ProviderError, RateLimitError
from rsd_graph.providers.base import Prefix, StepRequest
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.scripted import candidate
from rsd_graph.providers.wires.chat import ChatStepModel
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_servers.serving import FakeModelServer, Reply, ok

QUESTION = [
    Message(role="system", content="Be brief."),
    Message(role="user", content="What is 3 + 4 + 5?"),
]
REQUEST = StepRequest(Prefix(QUESTION, [candidate("3 + 4 = 7.")]), max_tokens=64, seed=5)


def chat(text: str, **fields: Any) -> GenericFakeChatModel:
    counts = {"input_tokens": 40, "output_tokens": 6, "total_tokens": 46}
    message = AIMessage(text, **{"usage_metadata": counts, **fields})
    return GenericFakeChatModel(messages=iter([message]))


class FakeChatEndpoint(FakeModelServer):
    """`/v1/chat/completions` of a hosted API."""

    ROUTES: ClassVar[dict[str, str]] = {"/v1/chat/completions": "completions"}
    finish = "stop"

    def completions(self, body: dict[str, Any]) -> Reply:
        """The scripted output as one message."""
        message = {"role": "assistant", "content": "".join(self.outputs.popleft())}
        usage = {"prompt_tokens": 40, "completion_tokens": 6}
        return ok({"choices": [{"message": message, "finish_reason": self.finish}], "usage": usage})


@pytest.mark.parametrize(
    ("reply", "text", "ended"),
    [
        ("7 + 5 = 12.", "7 + 5 = 12.", "separator"),
        ("The answer is 12. <END>", "The answer is 12.", "eos"),
        ("The answer is 12.\n\n<END>", "The answer is 12.", "eos"),
        ("7 + 5 = 12.\n\nThe answer is 12.<END>", "7 + 5 = 12.", "separator"),
    ],
)
async def test_one_step_is_taken_from_the_reply(reply: str, text: str, ended: str) -> None:
    """Whatever a talkative model adds is dropped, and the marker ends only its own step."""
    step = await ChatStepModel(chat(reply)).write_step(REQUEST)

    assert (step["text"], step["ended"]) == (text, ended)


@pytest.mark.parametrize("metadata", [{"finish_reason": "length"}, {"stop_reason": "max_tokens"}])
async def test_a_reply_that_was_cut_is_a_length(metadata: dict[str, str]) -> None:
    """OpenAI's word for it and Anthropic's."""
    model = chat("7 + 5 =", response_metadata=metadata)

    assert (await ChatStepModel(model).write_step(REQUEST))["ended"] == "length"


async def test_usage_comes_from_the_integration() -> None:
    """Cached prompt tokens included, where they are reported."""
    counts = {
        "input_tokens": 40,
        "output_tokens": 6,
        "total_tokens": 46,
        "input_token_details": {"cache_read": 32},
    }
    step = await ChatStepModel(chat("7 + 5 = 12.", usage_metadata=counts)).write_step(REQUEST)

    assert {**step["usage"], "ms": 0} == {
        "calls": 1,
        "prompt_tokens": 40,
        "cached_tokens": 32,
        "cache_unreported_calls": 0,
        "completion_tokens": 6,
        "ms": 0,
    }


async def test_a_reply_without_usage_is_refused() -> None:
    """Budgets and costs would silently stop to hold."""
    with pytest.raises(MalformedResponseError, match="usage_metadata"):
        await ChatStepModel(chat("7", usage_metadata=None)).write_step(REQUEST)


async def test_foreign_errors_become_ours() -> None:
    """By their HTTP status where they have one; the cause is kept."""

    class TooManyRequestsError(Exception):
        status_code = 429

    class Failing(GenericFakeChatModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise next(self.messages)  # type: ignore[misc]

    failures: Any = iter([TooManyRequestsError("slow down"), KeyError()])
    model = ChatStepModel(Failing(messages=failures))

    with pytest.raises(RateLimitError, match="slow down") as caught:
        await model.write_step(REQUEST)
    with pytest.raises(ProviderError, match="KeyError"):
        await model.write_step(REQUEST)
    assert isinstance(caught.value.__cause__, TooManyRequestsError)


async def test_a_full_context_is_an_outcome_as_on_every_wire() -> None:
    """Told by an HTTP status, by LangChain's own error, or by an endpoint: the target may go on."""

    class RefusedError(Exception):
        status_code = 400

    class Failing(GenericFakeChatModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise next(self.messages)  # type: ignore[misc]

    words = "maximum context length is 9"
    failures: Any = iter([RefusedError(words), LangChainsOverflowError(words)])
    model = ChatStepModel(Failing(messages=failures))
    steps = [await model.write_step(REQUEST) for _ in range(2)]
    async with FakeEndpoint() as server:
        server.script("/v1/chat/completions", (413, {"error": {"message": words}}))
        steps.append(await ChatStepModel(server.endpoint).write_step(REQUEST))

    assert [(step["text"], step["ended"]) for step in steps] == [("", "context")] * 3


async def test_the_steps_are_quoted_in_a_user_turn() -> None:
    """An endpoint gets the whole request: conversation, steps, budget, seed and sampling."""
    async with FakeChatEndpoint(["7 + 5 = 12."]) as server:
        step = await ChatStepModel(Endpoint(server.url + "/v1", "gpt")).write_step(REQUEST)

    sent = server.bodies("/v1/chat/completions")[0]
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user"]
    assert sent["messages"][1]["content"].startswith("What is 3 + 4 + 5?\n")
    assert "<steps>\n3 + 4 = 7.\n</steps>" in sent["messages"][1]["content"]
    assert (sent["max_tokens"], sent["seed"], sent["temperature"]) == (64, 5, 0.0)
    assert (step["text"], step["ended"]) == ("7 + 5 = 12.", "separator")


async def test_an_endpoints_cut_reply_is_a_length() -> None:
    """finish_reason "length"."""
    async with FakeChatEndpoint(["7 + 5 ="]) as server:
        server.finish = "length"
        step = await ChatStepModel(Endpoint(server.url, "gpt")).write_step(REQUEST)

    assert step["ended"] == "length"


async def test_options_win_and_none_leaves_a_field_out() -> None:
    """Reasoning models refuse temperature and want max_completion_tokens."""
    options = {"max_tokens": None, "temperature": None, "max_completion_tokens": 99}
    async with FakeChatEndpoint(["7 + 5 = 12."]) as server:
        model = ChatStepModel(Endpoint(server.url, "gpt"), options=options)
        await model.write_step(REQUEST)

    sent = server.bodies("/v1/chat/completions")[0]
    assert {"max_tokens", "temperature"} & set(sent) == set()
    assert sent["max_completion_tokens"] == 99


async def test_an_empty_reply_of_the_api_is_malformed() -> None:
    """A refusal has no content."""
    async with FakeChatEndpoint() as server:
        choice = {"message": {"content": None}, "finish_reason": "stop"}
        server.script("/v1/chat/completions", (200, {"choices": [choice]}))
        with pytest.raises(MalformedResponseError):
            await ChatStepModel(Endpoint(server.url, "gpt")).write_step(REQUEST)
