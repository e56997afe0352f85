"""One model of a stack, answering alone."""

from __future__ import annotations

from langchain_core.tools import tool

from rsd_graph import ChatRSD
from rsd_graph.providers.prm import FunctionPRM
from rsd_graph.server.catalog import alone
from tests.helpers.langchain_models import Speaker, says


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def test_a_langchain_model_alone_has_its_tools() -> None:
    """It acts in its integration's own way, as it does in RSD."""
    target = Speaker(script=[says("", {"a": 3, "b": 4})])
    stack = ChatRSD(draft=Speaker(script=[]), target=target, prm=FunctionPRM(lambda q, steps: 0.9))

    message = await alone(stack, "target").bind_tools([add]).ainvoke("3 + 4?")

    assert message.tool_calls[0]["args"] == {"a": 3, "b": 4}
    assert len(target.heard) == 1


async def test_a_langchain_model_alone_answers() -> None:
    """Step by step; no draft is ever asked."""
    target = Speaker(script=[says("3 + 4 = 7."), says("So 7.<END>")])
    stack = ChatRSD(draft=Speaker(script=[]), target=target, prm=FunctionPRM(lambda q, steps: 0.9))

    message = await alone(stack, "target").ainvoke("3 + 4?")

    assert message.text == "3 + 4 = 7.\n\nSo 7."
