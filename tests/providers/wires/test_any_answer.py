"""Whatever a server answers: a candidate, scores, or an error of ours; and books that add up.

Answers are broken at random places, with random JSON and with bytes that are none. RSD_EXAMPLES in
the environment says how many of each.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import SecretStr

from rsd_graph import Endpoint, Prefix, RetryPolicy, RSDError, StepRequest, candidate
from rsd_graph.answer.actions import Actions
from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Message
from rsd_graph.providers.facts import describe
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.failures import status_error
from rsd_graph.providers.prm import (
    JUDGE,
    PURE,
    RECOMPUTE,
    SKYWORK,
    THINKPRM,
    DraftConfidence,
    OutcomeRM,
    PoolingPRM,
    TokenProbabilityPRM,
    TokenRowsPRM,
)
from rsd_graph.providers.prm.format import Thinking
from rsd_graph.providers.prm.outcome import tei
from rsd_graph.providers.wires.chat import ChatStepModel
from rsd_graph.providers.wires.chat_action import ChatActionModel
from rsd_graph.providers.wires.completion import CompletionWire
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.providers.wires.ollama import OllamaWire
from rsd_graph.providers.wires.openai_compatible import OpenAICompatibleWire
from rsd_graph.providers.wires.sglang import SGLangWire
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.tgi import TGIWire
from rsd_graph.providers.wires.transformers_serve import TransformersServeWire
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.providers.http.test_secrets import leaks, told

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

KEY = "sk-canary-0123456789"
ENDPOINT = Endpoint(
    "http://host:1/v1", "m", "draft", api_key=SecretStr(KEY), retry=RetryPolicy(attempts=1)
)
QUESTION = [Message(role="user", content="q")]
REQUEST = StepRequest(Prefix(QUESTION), max_tokens=4)
RUN = [candidate("7"), candidate("8", "eos")]
TEMPLATE = ChatTemplate("<s>{{ messages[-1].content }}", {"bos_token": "<s>"})

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 4},
}
LOGPROBS = {
    "tokens": ["7", "+"],
    "token_logprobs": [-0.5, -0.1],
    "top_logprobs": [{"7": -0.5, "yes": -1.0}, None],
}
CHOICE = {
    "text": "7+",
    "finish_reason": "stop",
    "stop_reason": "\n\n",
    "matched_stop": None,
    "logprobs": LOGPROBS,
    "prompt_logprobs": [None, {"7": {"decoded_token": "7", "logprob": -0.5}}],
}
CALL = {"id": "c", "function": {"name": "add", "arguments": {"a": [1, {}]}}}
MESSAGE = {"content": "7", "tool_calls": [CALL]}
RIVAL = {"id": 8, "token": "+", "logprob": -1.0, "bytes": [43]}
ROW = {"id": 7, "token": "7", "logprob": -0.5, "bytes": [55], "top_logprobs": [RIVAL]}
TGI_TOKEN = {"id": 7, "text": "7", "logprob": -0.5, "special": False}

ANSWERS: Mapping[str, Any] = {
    "/v1/completions": {"choices": [CHOICE], "usage": USAGE},
    "/v1/chat/completions": {
        "choices": [{"message": MESSAGE, "finish_reason": "stop"}],
        "usage": USAGE,
    },
    "/v1/models": {"data": [{"id": "m", "max_model_len": 9, "meta": {"n_ctx": 9}}]},
    "/v1/embeddings": {"data": [{"embedding": [0.1, 0.2]}], "usage": USAGE},
    "/tokenize": {"tokens": [7, 7]},
    "/detokenize": {"prompt": "<s>q", "text": "<s>q"},
    "/pooling": {"data": [{"index": 0, "data": [[0.1, 0.9], [0.8, 0.2]]}], "usage": USAGE},
    "/classify": {"data": [{"probs": [0.3]}], "usage": USAGE},
    "/predict": [{"score": 1.5, "label": "a"}],
    "/info": {"model_id": "m", "max_total_tokens": 9, "max_input_length": 9},
    "/health": {"status": "ok"},
    "/props": {"default_generation_settings": {"n_ctx": 9, "params": {"temperature": 0.8}}},
    "/completion": {
        "content": "7",
        "stop_type": "word",
        "truncated": False,
        "tokens_evaluated": 9,
        "tokens_predicted": 1,
        "tokens": [7],
        "timings": {"cache_n": 4, "draft_n": 0},
        "completion_probabilities": [ROW],
    },
    "/apply-template": {"prompt": "q"},
    "/chat_tokenize": {"templated_text": "<s>q", "tokenize_response": [TGI_TOKEN, TGI_TOKEN]},
    "/generate": {
        "generated_text": "7",
        "details": {
            "finish_reason": "length",
            "generated_tokens": 2,
            "tokens": [TGI_TOKEN],
            "top_tokens": [[TGI_TOKEN]],
        },
    },
    "/api/generate": {
        "response": "7",
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 2,
    },
    "/api/chat": {"_debug_info": {"rendered_template": "<s>q"}},
    "/api/show": {"model_info": {"m.context_length": 9}, "parameters": "top_k 20\nstop x"},
}
ENCODED = {path: json.dumps(answer).encode() for path, answer in ANSWERS.items()}
CHAT_ANSWERS = {path: answer for path, answer in ANSWERS.items() if path == "/v1/chat/completions"}
TOKENIZED: Mapping[type, Any] = {
    LlamaCppWire: {"tokens": [{"id": 7, "piece": "7"}, {"id": 8, "piece": [56]}]},
    TGIWire: [TGI_TOKEN, TGI_TOKEN, TGI_TOKEN],
}
"""What `/tokenize` answers where it is another route."""

WIRES: Mapping[str, Callable[[], CompletionWire]] = {
    "vllm": lambda: VLLMWire(ENDPOINT),
    "sglang": lambda: SGLangWire(ENDPOINT),
    "llamacpp": lambda: LlamaCppWire(ENDPOINT),
    "tgi": lambda: TGIWire(ENDPOINT),
    "ollama": lambda: OllamaWire(ENDPOINT, ends="ask-again"),
    "openai": lambda: OpenAICompatibleWire(ENDPOINT, template=TEMPLATE, ends="ask-again"),
    "transformers": lambda: TransformersServeWire(ENDPOINT, template=TEMPLATE),
}
BRIEF = replace(THINKPRM, thinking=Thinking(("</think>",), "So? ", max_tokens=8))
"""An answer cut by its length is gone on with until there are so many tokens: not 2,048 here."""
PRMS: Mapping[str, Callable[[], Any]] = {
    "pooling": lambda: PoolingPRM(ENDPOINT),
    "pure": lambda: TokenRowsPRM(ENDPOINT, PURE),
    "skywork": lambda: TokenRowsPRM(ENDPOINT, SKYWORK),
    "classify": lambda: OutcomeRM(ENDPOINT),
    "tei": lambda: tei(ENDPOINT.in_role("prm")),
    "judge": lambda: TokenProbabilityPRM(VLLMWire(ENDPOINT), JUDGE),
    "recompute": lambda: TokenProbabilityPRM(LlamaCppWire(ENDPOINT), RECOMPUTE),
    "thinkprm": lambda: TokenProbabilityPRM(TGIWire(ENDPOINT), BRIEF),
}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}

numbers = st.integers() | st.floats() | st.sampled_from([-1, 0, 10**30, 1000, True, "0.9", "3"])
texts = st.text(st.characters(exclude_categories=[]), max_size=8) | st.just(KEY)
JSON = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def broken(draw: Any, answer: Any) -> Any:
    """*answer* with something else, or nothing, at a random place in it."""
    if not answer or not isinstance(answer, dict | list) or draw(st.integers(0, 5)) == 0:
        return draw(JSON)
    places: list[Any] = list(answer) if isinstance(answer, dict) else list(range(len(answer)))
    place = draw(st.sampled_from(places))
    changed = dict(answer) if isinstance(answer, dict) else list(answer)
    if draw(st.integers(0, 5)) == 0:
        del changed[place]
    else:
        changed[place] = draw(broken(answer[place]))
    return changed


heads = st.dictionaries(
    st.sampled_from(["x-prompt-tokens", "x-compute-tokens", "content-type"]),
    st.sampled_from(["3", "-3", "nan", "1e9", "", KEY, "9" * 5000]),
)


def answering(answers: Mapping[str, bytes], headers: Mapping[str, str]) -> Any:
    """In place of an exchange: the answer for each route, without a server."""

    async def exchange(_: Client, __: str, path: str, ___: bytes | None) -> Any:
        return answers[path], headers

    return patch.object(Client, "_exchange", exchange)


def outcome(data: Any, ask: Callable[[], Awaitable[Any]], own: Mapping[str, Any]) -> Any:
    """What *ask* comes to where one of its *own* routes is broken; `None` for an error of ours."""
    answers = ENCODED | {path: json.dumps(answer).encode() for path, answer in own.items()}
    route = data.draw(st.sampled_from(sorted(own)))
    whatever = st.binary(max_size=40) | broken(own[route]).map(lambda a: json.dumps(a).encode())
    answers[route] = data.draw(whatever)
    headers = {"x-prompt-tokens": "9", "x-compute-tokens": "9", **data.draw(heads)}
    with answering(answers, headers):
        try:
            return asyncio.run(_awaited(ask))
        except RSDError as error:
            ours = error
    assert leaks(KEY, *told(ours)) == []
    return None


async def _awaited(ask: Callable[[], Awaitable[Any]]) -> Any:
    return await ask()


def check_books(spent: Usage) -> None:
    """Counts, none of them negative, and no more from a cache than was read."""
    assert all(type(count) is int and count >= 0 for name, count in spent.items() if name != "ms")
    assert spent["cached_tokens"] <= spent["prompt_tokens"]
    assert math.isfinite(spent["ms"])


def check_candidate(step: Any) -> None:
    """Text of whole characters, a possible log-probability, and books."""
    assert step["text"].encode() is not None
    assert step["ended"] in ("separator", "eos", "length", "context", "invalid")
    assert step["logprob"] is None or step["logprob"] <= 0.1
    check_books(step["usage"])


ROUTES: Mapping[str, list[str]] = {
    "vllm": ["/v1/completions", "/tokenize", "/detokenize", "/v1/models"],
    "sglang": ["/v1/completions", "/tokenize", "/detokenize", "/v1/models"],
    "llamacpp": ["/completion", "/tokenize", "/apply-template", "/props", "/v1/models"],
    "tgi": ["/generate", "/tokenize", "/chat_tokenize", "/info"],
    "ollama": ["/api/generate", "/api/chat", "/api/show"],
    "openai": ["/v1/completions", "/v1/models"],
    "transformers": ["/v1/completions", "/health"],
}
MANY = int(os.environ.get("RSD_EXAMPLES", "40"))
EXAMPLES = hypothesis.settings(max_examples=MANY, deadline=None)


def own_answers(name: str, wire: object) -> Mapping[str, Any]:
    """What this wire is answered, by route."""
    own = {route: ANSWERS[route] for route in ROUTES[name]}
    return own | ({"/tokenize": TOKENIZED[type(wire)]} if type(wire) in TOKENIZED else {})


@pytest.mark.parametrize("name", WIRES)
async def test_the_answers_are_right_before_they_are_broken(name: str) -> None:
    """Or breaking them would show nothing."""
    model = HostedModel(WIRES[name]())
    answers = own_answers(name, model.wire)
    encoded = {path: json.dumps(answer).encode() for path, answer in answers.items()}
    with answering(encoded, {"x-prompt-tokens": "9"}):
        step = await model.write_step(REQUEST)
        await describe(model.wire)

    assert step["usage"]["prompt_tokens"] in (9, 18)
    check_candidate(step)


@pytest.mark.parametrize("name", WIRES)
@hypothesis.given(data=st.data())
@EXAMPLES
def test_a_wire_gives_a_candidate_or_an_error_of_ours(name: str, data: Any) -> None:
    """A step, the probability of a text, and what the server tells of itself."""
    model = HostedModel(WIRES[name](), logprobs=name not in ("ollama", "transformers"))

    async def ask() -> Any:
        step = await model.write_step(REQUEST)
        await describe(model.wire)
        if hasattr(model.wire, "log_probability"):
            _, spent = await model.log_probability(REQUEST.prefix, "7")
            check_books(spent)
        return step

    step = outcome(data, ask, own_answers(name, model.wire))
    if step is not None:
        check_candidate(step)
        if step["logprob"] is not None:
            scores = asyncio.run(DraftConfidence().score(REQUEST.prefix, [step]))
            assert 0 <= scores.rewards[0] <= 1


@pytest.mark.parametrize("kind", ["step", "action"])
@hypothesis.given(data=st.data())
@EXAMPLES
def test_a_chat_gives_a_candidate_or_an_error_of_ours(kind: str, data: Any) -> None:
    """As a step quoted in a turn, and as an action with tools."""
    actions = Actions(tools=(TOOL,))
    models: Mapping[str, Any] = {
        "step": ChatStepModel(ENDPOINT),
        "action": ChatActionModel(Client(ENDPOINT), actions, checked=True),
    }
    step = outcome(data, lambda: models[kind].write_step(REQUEST), CHAT_ANSWERS)
    if step is not None:
        check_candidate(step)


def rows(count: int, *row: float) -> Any:
    return {"data": [{"index": 0, "data": [list(row)] * count}], "usage": USAGE}


YES = {**TGI_TOKEN, "text": "yes"}
CHECKED = {**RIVAL, "token": "<+>"}
THOUGHT = {"finish_reason": "length", "generated_tokens": 2, "tokens": [YES]}
PRM_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "pooling": {"/pooling": rows(2, 0.1, 0.9)},
    "pure": {"/pooling": rows(8, 0.1, 0.9), "/tokenize": ANSWERS["/tokenize"]},
    "skywork": {"/pooling": rows(8, 0.7), "/tokenize": ANSWERS["/tokenize"]},
    "classify": {"/classify": ANSWERS["/classify"]},
    "tei": {"/predict": ANSWERS["/predict"]},
    "judge": {
        "/v1/completions": {"choices": [{**CHOICE, "finish_reason": "length"}], "usage": USAGE},
    },
    "recompute": {
        "/completion": {
            **ANSWERS["/completion"],
            "completion_probabilities": [{**ROW, "token": "<+>", "top_logprobs": [CHECKED]}],
        },
        "/tokenize": TOKENIZED[LlamaCppWire],
    },
    "thinkprm": {
        "/generate": {"generated_text": "yes", "details": THOUGHT},
        "/tokenize": TOKENIZED[TGIWire],
    },
}
"""What a PRM is answered, a route at a time."""


@pytest.mark.parametrize("name", PRMS)
async def test_the_rewards_are_right_before_they_are_broken(name: str) -> None:
    """Or breaking them would show nothing."""
    answers = {**ANSWERS, **PRM_ANSWERS[name]}
    encoded = {path: json.dumps(answer).encode() for path, answer in answers.items()}
    with answering(encoded, {"x-prompt-tokens": "9", "x-compute-tokens": "9"}):
        scores = await PRMS[name]().score(REQUEST.prefix, RUN)

    assert len(scores.rewards) == 2


@pytest.mark.parametrize("name", PRMS)
@hypothesis.given(data=st.data())
@EXAMPLES
def test_a_prm_gives_rewards_or_an_error_of_ours(name: str, data: Any) -> None:
    """Every way a PRM answers."""
    scores = outcome(data, lambda: PRMS[name]().score(REQUEST.prefix, RUN), PRM_ANSWERS[name])
    if scores is not None:
        assert all(type(reward) is float and math.isfinite(reward) for reward in scores.rewards)
        check_books(scores.usage)


@hypothesis.given(
    status=st.integers(300, 999),
    body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
    headers=st.dictionaries(st.sampled_from(["location", "retry-after"]), texts | st.text()),
)
@hypothesis.settings(max_examples=10 * MANY, deadline=None)
def test_any_refusal_is_an_error_of_ours(status: int, body: bytes, headers: dict[str, str]) -> None:
    """Whatever status, words and headers it comes with."""
    error = status_error(ENDPOINT, status, body, headers)

    assert leaks(KEY, *told(error)) == []
    assert str(error).isprintable()
    assert error.retry_after is None or 0 <= error.retry_after < math.inf
