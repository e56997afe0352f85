"""OpenAI's own client in every way it has of asking: async, streams, tools, parsed; and curl."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from rsd_graph import ChatRSD, ServerError, StepRequest, candidate
from rsd_graph.answer.state import Candidate
from tests.helpers.chat_support import RewardByText
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_tool_server import CHAT, chat_reply, in_a_thread
from tests.server.conftest import Serve, Served, stack

QUESTION: Any = [{"role": "user", "content": "How many?"}]
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


@pytest.fixture
def acting(serve: Serve, tool_server: str) -> Served:
    """A server whose model can act."""
    model = f"llamacpp+{tool_server}#bigram"
    return serve({"math": ChatRSD(draft=model, target=model, prm=RewardByText())})


async def test_the_async_client_streams(serve: Serve) -> None:
    """Step by step; the answer is `ChatRSD`'s."""
    alone = await stack().ainvoke("How many?", seed=3)
    async with openai.AsyncOpenAI(base_url=f"{serve().url}/v1", api_key="none") as client:
        stream = await client.chat.completions.create(
            model="math", messages=QUESTION, seed=3, stream=True
        )
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(texts) == alone.text


def test_the_clients_own_events_of_a_stream(serve: Serve) -> None:
    """`chat.completions.stream`, which joins the chunks itself, ends with the same answer."""
    alone = stack().invoke("How many?", seed=3)
    client = serve().client()

    with client.chat.completions.stream(model="math", messages=QUESTION, seed=3) as stream:
        kinds = {event.type for event in stream}
        told = stream.get_final_completion().choices[0]

    assert kinds == {"chunk", "content.delta", "content.done"}
    assert (told.message.content, told.finish_reason) == (alone.text, "stop")


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_its_result_read(acting: Served, stream: bool) -> None:
    """The call, whole or streamed; with its result in the conversation comes an answer."""
    client = acting.client()
    if stream:
        with client.chat.completions.stream(model="math", messages=QUESTION, tools=[ADD]) as events:
            list(events)
            choice: Any = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(
            model="math", messages=QUESTION, tools=[ADD]
        ).choices[0]
    (call,) = choice.message.tool_calls
    said = choice.message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"})
    result = {"role": "tool", "tool_call_id": call.id, "content": "7"}

    answer = client.chat.completions.create(
        model="math", messages=[*QUESTION, said, result], tools=[ADD]
    )

    assert (call.function.name, choice.finish_reason) == ("add", "tool_calls")
    assert answer.choices[0].message.content == "Done."


def test_calls_at_once(serve: Serve) -> None:
    """Two in one step: two in the answer, and two indexes in a stream."""
    reply = chat_reply(None, ("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))
    with in_a_thread(FakeEndpoint({CHAT: reply})) as server:
        spec = f"chat+{server.url}/v1#m"
        served = serve({"math": ChatRSD(draft=spec, target=spec, prm=RewardByText())})
        asked: Any = {"model": "math", "messages": QUESTION, "tools": [ADD]}
        whole = served.client().chat.completions.create(**asked).choices[0].message
        chunks = list(served.client().chat.completions.create(**asked, stream=True))

    streamed = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert [call.function.arguments for call in whole.tool_calls or []] == [
        '{"a": 1, "b": 2}',
        '{"a": 3, "b": 4}',
    ]
    assert [call.index for call in streamed] == [0, 1]


def test_a_parsed_answer(acting: Served) -> None:
    """`chat.completions.parse` with a Pydantic class; draft and target are held to its schema."""

    class Joke(BaseModel):
        setup: str
        punchline: str

    answer = acting.client().chat.completions.parse(
        model="math", messages=QUESTION, response_format=Joke
    )

    assert isinstance(answer.choices[0].message.parsed, Joke)


class _FailsOnce:
    """A model that fails the first time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def write_step(self, request: StepRequest) -> Candidate:
        self.asked += 1
        if self.asked == 1:
            raise ServerError("out of order", role="draft")
        return candidate("7", "eos")


def test_it_tries_again_where_that_can_help(serve: Serve) -> None:
    """What failed behind us is worth another try, and OpenAI's client makes it by itself."""
    model = _FailsOnce()
    served = serve({"math": stack(draft=model, target=model)})

    client = served.client(max_retries=1)

    assert client.chat.completions.create(model="math", messages=QUESTION).choices
    assert model.asked > 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_curl(serve: Serve) -> None:
    """Without a Content-Type for JSON, as everybody types it."""
    url = f"{serve().url}/v1/chat/completions"
    body = '{"model": "math", "messages": [{"role": "user", "content": "q"}], "stream": true}'

    ran = subprocess.run(["curl", "-sN", url, "-d", body], capture_output=True, check=True)

    assert ran.stdout.startswith(b'data: {"id": "chatcmpl-')
    assert ran.stdout.endswith(b"data: [DONE]\n\n")
