"""Everything LangChain can wrap around a chat model fits around this one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, trim_messages
from langchain_core.output_parsers import StrOutputParser
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import ConfigurableField, RunnableParallel

from rsd_graph import ChatRSD, EndpointConnectionError, ScriptedStepModel, StepRequest, candidate
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.scripted import FunctionStepModel
from tests.helpers.chat_support import END, functional, scripted

DOWN = EndpointConnectionError("no connection.", role="draft", endpoint="http://gone")


def test_with_retry_asks_again() -> None:
    """A failed answer is asked for again, from the start."""
    model = scripted([DOWN, END], [0.9])

    retried = model.with_retry(
        retry_if_exception_type=(EndpointConnectionError,), wait_exponential_jitter=False
    )

    assert retried.invoke("q").content == "end"


def test_with_fallbacks_asks_another() -> None:
    """When one model is down, the next one answers."""
    assert scripted([DOWN], []).with_fallbacks([functional()]).invoke("q").text.endswith("so: q")


def test_configurable_fields_change_options_per_call() -> None:
    """`delta` from the config decides that call, and connections are kept."""
    model = scripted([END] * 2, [0.8] * 2, [candidate("target", "eos")])
    configurable = model.configurable_fields(delta=ConfigurableField(id="delta"))

    strict: Any = {"configurable": {"delta": 0.9}}
    contents = [configurable.invoke("q").content, configurable.invoke("q", strict).content]

    assert contents == ["end", "target"]


def test_configured_copies_share_the_connections() -> None:
    """LangChain builds a new model for each configured call; its graphs and clients are ours."""
    model = functional()
    configurable: Any = model.configurable_fields(seed=ConfigurableField(id="seed"))

    copy, _ = configurable.prepare({"configurable": {"seed": 7}})

    assert (copy.seed, copy.shared is model.shared, copy.graph is model.graph) == (7, True, True)


def test_configurable_fields_swap_a_backend() -> None:
    """The target is named per call, as a string or an object."""
    other = ScriptedStepModel([candidate("other", "eos")])
    model = scripted(["x"], [0.1]).configurable_fields(target=ConfigurableField(id="target"))

    assert model.invoke("q", {"configurable": {"target": other}}).content == "other"


def test_configurable_alternatives_swap_the_model() -> None:
    """Two stacks behind one name, chosen by the config."""
    model = functional().configurable_alternatives(
        ConfigurableField(id="stack"), default_key="usual", scripted=scripted([END], [0.9])
    )

    assert model.invoke("q", {"configurable": {"stack": "scripted"}}).content == "end"
    assert model.invoke("q").text.endswith("so: q")


def test_with_config_and_bind() -> None:
    """Bound options hold for every call of the bound model."""
    assert functional().bind(max_steps=1).with_config(tags=["x"]).invoke("q").content == "first"


def test_pieces_of_a_chain_run_side_by_side() -> None:
    """Parallel branches of a chain share one model."""
    model = functional()

    both = RunnableParallel(one=model | StrOutputParser(), two=model).invoke("q")

    assert both["one"] == both["two"].content


class CountingLimiter(BaseRateLimiter):
    """Lets everyone through and counts."""

    def __init__(self) -> None:
        self.count = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.count += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire()


def test_a_rate_limiter_counts_answers_not_steps() -> None:
    """One answer is one turn; limits on requests belong to the endpoints."""
    limiter = CountingLimiter()

    functional(rate_limiter=limiter).batch(["a", "b"])

    assert limiter.count == 2


async def test_max_concurrency_bounds_a_batch() -> None:
    """`max_concurrency` of a batch is how many answers are in the works at once."""
    running, most = 0, 0

    class Counting:
        async def write_step(self, request: StepRequest) -> Candidate:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return END

    await functional(draft=Counting()).abatch(["q"] * 20, {"max_concurrency": 3})

    assert most == 3


def test_histories_can_be_trimmed_with_it() -> None:
    """`trim_messages` takes the model as its token counter."""
    history = [HumanMessage("old " * 500), AIMessage("yes"), HumanMessage("new")]

    kept = trim_messages(history, max_tokens=50, token_counter=ChatRSD(), start_on="human")

    assert [message.content for message in kept] == ["new"]


def test_the_profile_says_what_it_can_do() -> None:
    """Text and tools; structured output beside tools goes through tools."""
    assert scripted([], []).profile == {
        "text_inputs": True,
        "text_outputs": True,
        "tool_calling": True,
        "structured_output": False,
    }


def test_the_profile_of_the_shipped_models() -> None:
    """They were never taught tools, and a history is summed up before it outgrows them."""
    profile = ChatRSD().profile

    assert profile is not None
    assert (profile["tool_calling"], profile["max_input_tokens"]) == (False, 1024)


def test_an_answer_the_shipped_models_cannot_know_says_so() -> None:
    """Beside the answer, and only there: models of yours are not spoken of."""
    pytest.importorskip("xllamacpp")

    theirs = ChatRSD().invoke("What is 2+2?").response_metadata["rsd"]
    yours = scripted([candidate("4", "eos")], [0.9]).invoke("What is 2+2?")

    assert theirs["notice"].endswith("This question is no such story.")
    assert "notice" not in yours.response_metadata["rsd"]


def test_a_history_is_summed_up_at_a_fraction_of_what_the_model_reads() -> None:
    """The shipped models' share is known; of endpoints of yours, only you can tell."""
    middleware = pytest.importorskip("langchain.agents.middleware")
    yours = scripted([], [], profile={"max_input_tokens": 32768})

    for llm, most in ((ChatRSD(), 1024), (yours, 32768)):
        summing_up = middleware.SummarizationMiddleware(llm, trigger=("fraction", 0.5))
        assert summing_up.model.profile["max_input_tokens"] == most


async def test_a_fallback_keeps_streaming() -> None:
    """A stream that failed before its first step falls back to another model's stream."""
    model = scripted([DOWN], []).with_fallbacks([functional()])

    chunks = [chunk.content async for chunk in model.astream("q")]

    assert chunks == ["first", "\n\nsecond", "\n\nso: q", ""]


def test_one_model_in_two_seats_of_a_chain() -> None:
    """The answer of one call is the question of the next."""
    shout = FunctionStepModel(
        lambda request: candidate(request.prefix.conversation[-1]["content"].upper(), "eos")
    )
    chain = functional() | StrOutputParser() | functional(draft=shout) | StrOutputParser()

    assert chain.invoke("q") == "FIRST\n\nSECOND\n\nSO: Q"


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_both_output_versions(version: Any) -> None:
    """Content is text, or LangChain's content blocks for those who ask for `v1`."""
    message = functional(output_version=version).invoke("q")

    assert message.text == "first\n\nsecond\n\nso: q"
