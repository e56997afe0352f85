"""`POST /v1/chat/completions`, asked by OpenAI's own client on a real socket."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from rsd_graph import ChatRSD
from tests.helpers.chat_support import RewardByText
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_tool_server import CHAT, chat_reply, in_a_thread
from tests.server.conftest import Serve, stack

QUESTION = [{"role": "user", "content": "How many?"}]


def test_the_answer_is_the_chat_models_byte_for_byte(serve: Serve) -> None:
    """The same seed gives what `ChatRSD` gives, whole and streamed."""
    client = serve().client()
    alone = stack().invoke("How many?", seed=3)

    whole = client.chat.completions.create(model="math", messages=QUESTION, seed=3)
    stream = client.chat.completions.create(model="math", messages=QUESTION, seed=3, stream=True)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert (whole.choices[0].message.content, streamed) == (alone.text, alone.text)


def test_usage_counts_all_three_models(serve: Serve) -> None:
    """`usage` is what `ChatRSD` reports: every token that is paid for."""
    spent = stack().invoke("How many?", seed=3).usage_metadata

    usage = serve().client().chat.completions.create(model="math", messages=QUESTION, seed=3).usage

    assert (usage.prompt_tokens, usage.completion_tokens) == (
        spent["input_tokens"],
        spent["output_tokens"],
    )
    assert (
        usage.completion_tokens_details.accepted_prediction_tokens
        == (spent["output_token_details"]["draft"])
    )


def test_one_chunk_for_each_step_then_the_reason_then_usage(serve: Serve) -> None:
    """A stream is role, steps, finish reason, usage; all other chunks say `usage: null`."""
    client = serve().client()
    steps = stack().invoke("How many?", seed=3).response_metadata["rsd"]["steps"]

    chunks = list(
        client.chat.completions.create(
            model="math",
            messages=QUESTION,
            seed=3,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert [chunk.choices[0].delta.role for chunk in chunks[:1]] == ["assistant"]
    assert len(chunks) == 1 + len(steps) + 2
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert [chunk.usage is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_callers_key_stays_here(serve: Serve) -> None:
    """The endpoints behind us are asked with keys of their own, or none."""
    with in_a_thread(FakeEndpoint({CHAT: chat_reply("Done.")})) as server:
        spec = f"chat+{server.url}/v1#m"
        served = serve({"math": ChatRSD(draft=spec, target=spec, prm=RewardByText())})
        served.client(api_key="sk-of-the-caller").chat.completions.create(
            model="math", messages=QUESTION
        )

    assert server.requests
    assert "sk-of-the-caller" not in repr(server.requests)


def test_choices_are_independent_answers(serve: Serve) -> None:
    """`n` answers with the seeds s, s + 1, …"""
    served = serve()
    alone = [stack().invoke("How many?", temperature=0.7, seed=5 + i).text for i in range(3)]

    answer = served.client().chat.completions.create(
        model="math", messages=QUESTION, seed=5, n=3, temperature=0.7
    )

    assert [choice.message.content for choice in answer.choices] == alone
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_the_trace_comes_only_if_it_is_asked_for(serve: Serve) -> None:
    """The default body is pure OpenAI; `rsd.include` adds ledger and trace."""
    client = serve().client()

    def answer(**options: Any) -> dict[str, Any]:
        return (
            client.chat.completions.create(
                model="math", messages=QUESTION, seed=3, **options
            ).model_extra
            or {}
        )

    asked = answer(extra_body={"rsd": {"include": ["trace", "ledger"]}})["rsd"]

    assert answer() == {}
    expected = stack().invoke("How many?", seed=3).response_metadata["rsd"]
    assert asked["ledger"]["accepted_steps"] == expected["ledger"]["accepted_steps"]
    assert [step["text"] for step in asked["steps"]] == [s["text"] for s in expected["steps"]]


@pytest.mark.parametrize("how", ["name", "object"])
def test_a_delta_of_its_own(serve: Serve, how: str) -> None:
    """`math@0.05` and `rsd: {"delta": 0.05}` both accept what HashedPRM rejects at 0.7."""
    model = "math@0.05" if how == "name" else "math"
    extra = {"rsd": {"include": ["ledger"], **({"delta": 0.05} if how == "object" else {})}}

    answer = (
        serve()
        .client()
        .chat.completions.create(model=model, messages=QUESTION, seed=3, extra_body=extra)
    )

    assert answer.model_extra["rsd"]["ledger"]["target_steps"] == 0


@pytest.mark.parametrize(("role", "letter"), [("draft", "d"), ("target", "t")])
def test_one_model_alone(serve: Serve, role: str, letter: str) -> None:
    """`math:draft` and `math:target` are answered by that model only."""
    answer = (
        serve().client().chat.completions.create(model=f"math:{role}", messages=QUESTION, seed=3)
    )

    steps = answer.choices[0].message.content.split("\n\n")
    assert {step[0] for step in steps} == {letter}


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "unsupported_parameter"),
        ({"n": 99}, "n", None),
        ({"n": 2}, "n", None),
        ({"temperature": 9}, "temperature", None),
        ({"messages": []}, "messages", None),
        ({"messages": [{"role": "user"}]}, "messages[0]", None),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].type",
            None,
        ),
        ({"extra_body": {"rsd": {"dleta": 1}}}, "rsd.dleta", None),
        ({"extra_body": {"rsd": {"strict": True}, "sedd": 1}}, "sedd", "unknown_parameter"),
        ({"messages": [{"role": "user", "content": " "}]}, None, None),
        ({"extra_body": {"rsd": {"delta": 9}}}, None, None),
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_refused_by_name(
    serve: Serve, change: dict[str, Any], param: str | None, code: str | None
) -> None:
    """A 400 in OpenAI's shape: its client raises `BadRequestError` with `param` and `code`."""
    client = serve().client()

    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "math", "messages": QUESTION, **change})

    assert (caught.value.param, caught.value.code) == (param, code)


def test_falsy_fields_pass(serve: Serve) -> None:
    """Many clients send every field they know; what changes nothing is no reason to refuse."""
    answer = (
        serve()
        .client()
        .chat.completions.create(
            model="math",
            messages=QUESTION,
            logprobs=False,
            frequency_penalty=0,
            presence_penalty=0,
            logit_bias={},
            user="somebody",
            store=False,
        )
    )

    assert answer.choices[0].finish_reason == "stop"


def test_an_unknown_model_is_named_and_the_nearest_told(serve: Serve) -> None:
    """404 with `model_not_found`, as OpenAI's client expects."""
    with pytest.raises(openai.NotFoundError) as caught:
        serve().client().chat.completions.create(model="maht", messages=QUESTION)

    assert caught.value.code == "model_not_found"
    assert "Did you mean 'math'?" in str(caught.value)


@pytest.mark.parametrize("body", [b"{bad", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_request(serve: Serve, body: bytes) -> None:
    """Malformed JSON, another type, not UTF-8, nested too deeply: 400, never 500."""
    response = httpx.post(f"{serve().url}/v1/chat/completions", content=body)

    assert (response.status_code, response.json()["error"]["type"]) == (
        400,
        "invalid_request_error",
    )


def test_a_body_beyond_the_limit(serve: Serve) -> None:
    """413 in OpenAI's shape, whatever the length header claims."""
    served = serve(max_body=1000)

    response = httpx.post(f"{served.url}/v1/chat/completions", content=b" " * 2000)

    assert (response.status_code, set(response.json())) == (413, {"error"})


def test_the_models_are_listed(serve: Serve) -> None:
    """Each stack, and its draft and its target alone."""
    client = serve().client()

    assert [model.id for model in client.models.list()] == ["math", "math:draft", "math:target"]
    assert client.models.retrieve("math:draft").owned_by == "rsd-graph"
