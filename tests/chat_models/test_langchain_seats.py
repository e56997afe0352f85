"""LangChain chat models in the seats of draft and target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.language_models import BaseChatModel, FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from openai import DefaultAsyncHttpxClient
from pydantic import BaseModel

from rsd_graph import CapabilityError, ChatRSD
from rsd_graph.embedded.engine import endpoint_for
from rsd_graph.providers.prm import FunctionPRM
from tests.helpers.chat_support import RewardByText
from tests.helpers.langchain_models import COUNTS, Speaker, says

GOOD = FunctionPRM(lambda question, steps: 0.1 if "wrong" in steps[-1] else 0.9)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def on(draft: Sequence[AIMessage], target: Sequence[AIMessage] = ()) -> ChatRSD:
    """RSD over two LangChain models."""
    return ChatRSD(draft=Speaker(script=list(draft)), target=Speaker(script=list(target)), prm=GOOD)


async def test_two_langchain_models_just_work() -> None:
    """The models themselves are given; the target writes what the PRM rejects."""
    model = on([says("3 + 4 = 7."), says("wrong"), says("So 7.<END>")], [says("7 it is.")])

    answer = await model.ainvoke("What is 3 + 4?")

    assert answer.text == "3 + 4 = 7.\n\n7 it is.\n\nSo 7."
    steps = answer.response_metadata["rsd"]["steps"]
    assert [step["source"] for step in steps] == ["draft", "target", "draft"]
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 4 * 5


async def test_an_agent_over_two_langchain_models_uses_its_tools() -> None:
    """The draft's bad call is rejected, the target calls the tool, and the agent answers."""
    agents = pytest.importorskip("langchain.agents")
    draft, target = [says("wrong"), says("It is 7.")], [says("", {"a": 3, "b": 4})]
    model = on(draft, target)

    result = await agents.create_agent(model, [add]).ainvoke({"messages": [("user", "3 + 4?")]})

    _, called, answered, final = result["messages"]
    assert called.tool_calls[0]["args"] == {"a": 3, "b": 4}
    assert (answered.content, final.text) == ("7", "It is 7.")
    assert called.response_metadata["rsd"]["steps"][0]["source"] == "target"


async def test_past_calls_reach_the_models_as_messages() -> None:
    """What a tool has answered is a tool's message to both models."""
    model = on([says("It is 7.")])
    history = [("user", "3 + 4?"), says("", {"a": 3, "b": 4}), ToolMessage("7", tool_call_id="c")]

    await model.bind_tools([add]).ainvoke(history)

    (heard,) = model.draft.heard  # type: ignore[union-attr]
    assert [message.type for message in heard] == ["human", "ai", "tool"]
    assert heard[1].tool_calls[0]["args"] == {"a": 3, "b": 4}


async def test_without_tools_a_tools_answer_can_be_continued_too() -> None:
    """The instruction for the next step is then a turn of its own."""
    model = on([says("It is 7.<END>")])
    history = [("user", "3 + 4?"), says("", {"a": 3, "b": 4}), ToolMessage("7", tool_call_id="c")]

    await model.ainvoke(history)

    (heard,) = model.draft.heard  # type: ignore[union-attr]
    assert [message.type for message in heard] == ["human", "ai", "tool", "human"]


@pytest.mark.parametrize(
    ("choice", "told"), [("any", "any"), ("add", "add"), ("auto", "auto"), ("none", None)]
)
async def test_the_choice_of_a_tool_is_handed_on(choice: str, told: str | None) -> None:
    """In the words that LangChain's integrations share."""
    model = on([says("x", {"a": 1, "b": 2})] if told else [says("x")])

    await model.bind_tools([add], tool_choice=choice).ainvoke("q")

    assert model.draft.told[0].get("tool_choice") == told  # type: ignore[union-attr]


async def test_a_call_that_cannot_be_carried_out_goes_to_the_target() -> None:
    """Arguments that violate the schema are rejected unscored."""
    model = on([says("", {"a": "three"})], [says("", {"a": 3, "b": 4})])

    message = await model.bind_tools([add]).ainvoke("q")

    assert message.tool_calls[0]["args"] == {"a": 3, "b": 4}
    assert message.response_metadata["rsd"]["ledger"]["invalid_actions"] == 1


class Sum(BaseModel):
    """A sum."""

    total: int


async def test_structured_output_in_each_integrations_own_way() -> None:
    """Both models are held to the schema; the answer is read into the class."""
    call = {"name": "Sum", "args": {"total": 7}, "id": "c", "type": "tool_call"}
    message = AIMessage("", tool_calls=[call], usage_metadata=COUNTS)
    model = on([message])

    assert await model.with_structured_output(Sum).ainvoke("q") == Sum(total=7)


# -- what cannot work says why ------------------------------------------------------------------


def fake(**fields: Any) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([says("x")]), **fields)


async def test_a_model_without_tools_says_so() -> None:
    """Which model in which seat, and what would do."""
    model = ChatRSD(draft=fake(), target=fake(), prm=GOOD).bind_tools([add])

    with pytest.raises(CapabilityError, match=r"draft at GenericFakeChatModel: .* tools") as caught:
        await model.ainvoke("q")

    assert caught.value.role == "draft"


async def test_json_without_a_schema_says_so() -> None:
    """Integrations share no way to ask for it."""
    model = on([]).bind(response_format={"type": "json_object"})

    with pytest.raises(CapabilityError, match="JSON without a schema"):
        await model.ainvoke("q")


def test_a_chat_model_is_no_prm() -> None:
    """It is refused as the object is made, with what to do instead."""
    with pytest.raises(CapabilityError, match="FunctionPRM"):
        ChatRSD(draft=fake(), target=fake(), prm=fake())


def test_a_runnable_around_a_model_is_refused() -> None:
    """`bind`, `with_retry` and their kin hide what a seat must know."""
    with pytest.raises(CapabilityError, match="is a runnable, and no chat model"):
        ChatRSD(draft=fake().bind(stop=["x"]), target=fake(), prm=GOOD)


# -- their own events stay inside ---------------------------------------------------------------


async def test_a_reward_function_may_ask_a_model_unheard() -> None:
    """What it asks is in no usage callback, whose context variable it inherits."""
    judge = Speaker(script=[says("0.9")] * 3)

    async def reward(question: str, steps: list[str]) -> float:
        return float((await judge.ainvoke(steps[-1])).text)

    model = ChatRSD(
        draft=Speaker(script=[says("done<END>")]), target=fake(), prm=FunctionPRM(reward)
    )
    with get_usage_metadata_callback() as callback:
        answer = await model.ainvoke("q")

    assert list(callback.usage_metadata.values()) == [answer.usage_metadata]


# -- real servers -------------------------------------------------------------------------------


Hosted = Callable[..., BaseChatModel]


@pytest.fixture
async def hosted() -> AsyncIterator[Hosted]:
    """LangChain's own client of OpenAI's API, whose connections are closed here."""
    openai = pytest.importorskip("langchain_openai")
    async with DefaultAsyncHttpxClient() as http:
        yield partial(openai.ChatOpenAI, api_key="none", http_async_client=http)


async def test_an_agent_over_a_chat_api(tool_server: str, hosted: Hosted) -> None:
    """Through LangChain's OpenAI integration, tools included."""
    agents = pytest.importorskip("langchain.agents")
    seated = hosted(base_url=f"{tool_server}/v1", model="bigram")
    model = ChatRSD(draft=seated, target=seated, prm=RewardByText())

    result = await agents.create_agent(model, [add]).ainvoke({"messages": [("user", "3 + 3?")]})

    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert result["messages"][-1].text == "Done."


async def test_plain_chat_over_llama_cpp(hosted: Hosted) -> None:
    """A real llama.cpp server, whose model was never taught to chat, behind that integration."""
    pytest.importorskip("xllamacpp")
    served = endpoint_for("draft")
    seated = hosted(base_url=served.url, model=served.model)
    model = ChatRSD(draft=seated, target=seated, prm=RewardByText(), max_tokens=40, max_steps=1)

    answer = await model.ainvoke("q")

    rsd = answer.response_metadata["rsd"]
    assert len(rsd["steps"]) == 1
    assert rsd["ledger"]["draft"]["calls"] == 1
    assert rsd["ledger"]["draft"]["completion_tokens"] > 0
    assert rsd["ledger"]["draft"]["prompt_tokens"] > 100


def test_a_langchain_model_has_its_own_name() -> None:
    """As its integration names it: a price list knows that one."""
    model = ChatRSD(draft=fake(), target=FakeListChatModel(responses=[]), prm=GOOD)

    assert model._get_ls_params()["ls_model_name"] == "FakeListChatModel"
