"""LangChain's caches and ours: what is remembered serves only a model that would say the same."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache

from rsd_graph import ChatRSD, Weighting, candidate, constant, logistic
from rsd_graph.providers.scripted import FunctionStepModel
from tests.helpers.chat_support import END, RewardByText, functional, scripted

YES: Callable[[float], float] = lambda reward: 1.0  # noqa: E731
NO: Callable[[float], float] = lambda reward: 0.0  # noqa: E731
DRAFT = FunctionStepModel(lambda request: candidate("draft", "eos"))
TARGET = FunctionStepModel(lambda request: candidate("target", "eos"))
PRM = RewardByText()


def deciding(accept: Callable[[float], float], cache: InMemoryCache) -> ChatRSD:
    """A model whose answer is `draft` if *accept* accepts, else `target`."""
    return ChatRSD(draft=DRAFT, target=TARGET, prm=PRM, accept=accept, cache=cache)


@pytest.fixture
def collect() -> Iterator[Callable[[], int]]:
    """Collects what the test leaves behind, without looking through all that was there before."""
    gc.collect()
    gc.freeze()
    yield gc.collect
    gc.unfreeze()


def test_criteria_never_share_answers(collect: Callable[[], int]) -> None:
    """Two lambdas differ, even if one lives where the other was before it was collected."""
    cache = InMemoryCache()
    answers = []
    for number in range(60):
        weight = float(number % 2)
        answers.append(deciding(lambda reward, weight=weight: weight, cache).invoke("q").content)
        collect()

    assert answers == ["target", "draft"] * 30


def test_criteria_of_single_calls_never_share_answers() -> None:
    """A call's own criterion is part of its key."""
    llm = deciding(YES, InMemoryCache())

    answers = [llm.invoke("q", accept=accept).content for accept in (NO, YES, NO)]

    assert answers == ["target", "draft", "target"]


def test_a_criterion_keeps_its_answers() -> None:
    """The same model asks nobody twice: its scripts have one answer."""
    llm = scripted([END], [0.9], accept=YES, cache=InMemoryCache())

    assert [llm.invoke("q").content for _ in range(2)] == ["end", "end"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"accept": YES}, {"accept": NO}),
        ({"accept": YES}, {"accept": YES}),
        ({"accept": Weighting("mine", YES)}, {"accept": Weighting("mine", NO)}),
        ({"accept": Weighting("constant", NO, {"p": 1.0})}, {"accept": constant(1.0)}),
        ({"accept": logistic(10)}, {"accept": logistic(11)}),
        ({"stop": ["a"]}, {"stop": ["b"]}),
        ({"delta": 0.7}, {"delta": 0.8}),
        ({"seed": 1}, {"seed": 2}),
        ({"max_repeats": 3}, {"max_repeats": 4}),
    ],
)
def test_what_decides_the_answer_is_in_the_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    """What has no identity that can be written down is never anybody else's."""
    assert ChatRSD(**one)._get_llm_string() != ChatRSD(**other)._get_llm_string()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"accept": logistic(10, 0.7)}, {"accept": logistic(10, 0.7)}),
        ({"accept": "clipping()"}, {"accept": "clipping()"}),
        ({}, {"lookahead": 3, "max_waste": 0.2, "hedge": 0.5}),
        ({}, {"timeout": 9, "max_retries": 1, "streaming": True}),
        ({}, {"prices": {"draft": 1, "target": 2, "prm": 3}}),
    ],
)
def test_what_can_be_written_down_is_the_same_everywhere(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Criteria of ours by their parameters; what does not change the answer not at all."""
    assert ChatRSD(**one)._get_llm_string() == ChatRSD(**other)._get_llm_string()


def test_a_stop_of_one_call_and_of_the_model_have_one_key() -> None:
    """They give the same answer."""
    model, call = ChatRSD(stop=["x"]), ChatRSD()

    assert model._get_llm_string() == call._get_llm_string(stop=["x"])
    assert model._get_llm_string(stop=["y"]) == call._get_llm_string(stop=["y"])


def test_an_option_has_one_key_wherever_it_is_given() -> None:
    """Per call or at construction."""
    assert ChatRSD()._get_llm_string(delta=0.8) == ChatRSD(delta=0.8)._get_llm_string()
    assert ChatRSD()._get_llm_string(hedge=0.5) == ChatRSD()._get_llm_string()


def test_tools_are_in_the_key() -> None:
    """Without them the answer is another."""
    llm = ChatRSD()

    assert llm._get_llm_string(tools=[{"type": "function"}]) != llm._get_llm_string()


def test_models_of_your_own_are_known_by_their_copies_only() -> None:
    """Calls of one model share answers; another model is another."""
    llm = functional()

    assert llm.with_options({"seed": 1}).with_options({"seed": None})._get_llm_string() == (
        llm._get_llm_string()
    )
    assert functional()._get_llm_string() != llm._get_llm_string()
    assert copy.deepcopy(llm)._get_llm_string() != llm._get_llm_string()


def test_graphs_are_compiled_once_for_the_same_options() -> None:
    """What is only about one call, such as its seed, needs no graph of its own."""
    llm = functional(accept=YES)
    graphs = [
        llm.with_options(options).graph
        for options in ({}, {"seed": 3}, {"stop": ["x"]}, {"accept": NO}, {"top_p": 0.5})
    ]

    assert [graph is graphs[0] for graph in graphs] == [True, True, True, False, False]


def test_a_graph_is_never_that_of_models_that_are_gone(collect: Callable[[], int]) -> None:
    """Objects of single calls come and go, and others take their places in memory."""
    llm = functional()
    answers = []
    for number in range(60):
        model = FunctionStepModel(lambda request, n=number: candidate(str(n), "eos"))
        answers.append(llm.invoke("q", draft=model, accept=YES).content)
        del model
        collect()

    assert answers == [str(number) for number in range(60)]
