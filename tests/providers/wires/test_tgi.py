"""TGI's contract. These tests replay the wire shapes of TGI's sources (commit db931fcf) on a
fake; they were not run against the real server.
"""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph.answer.state import Message
from rsd_graph.errors import (
    BadRequestError,
    CapabilityError,
    ContextOverflowError,
    ProviderError,
    RateLimitError,
    ServerError,
)
from rsd_graph.providers.base import Prefix, Sampling, StepRequest
from rsd_graph.providers.http.endpoint import Endpoint, RetryPolicy
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.tgi import TGIWire
from tests.helpers.fake_servers.serving import EOS
from tests.helpers.fake_servers.tgi import FakeTGI

QUESTION = [Message(role="user", content="What is 3 + 4?")]


def wire(server: FakeTGI) -> TGIWire:
    return TGIWire(Endpoint(server.url, role="draft", retry=RetryPolicy(attempts=1)))


def ask(max_tokens: int = 64, **options: object) -> CompletionRequest:
    return CompletionRequest("A B", max_tokens, ("\n\n",), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "text", "ended"),
    [
        pytest.param(["3", " + 4", "\n\n"], "3 + 4", "separator", id="it is left in the text"),
        pytest.param(["7", EOS], "7", "eos", id="eos_token"),
        pytest.param(["1", "\n\nTwo", "\n\n"], "1", "separator", id="gotcha 8: inside a token"),
        pytest.param(["1.", "\n\n\n"], "1.", "separator", id="an extra newline is accepted"),
        pytest.param(["a", "b", "c", "\n\n"], "abc", "separator", id="gotcha 36: last place"),
        pytest.param(["a", "b", "c", EOS], "abc", "eos", id="gotcha 36: EOS in the last place"),
        pytest.param(["a", "b", "c", "d"], "abcd", "length", id="gotcha 4: half a step"),
    ],
)
async def test_every_way_a_step_can_end(script: list[str], text: str, ended: str) -> None:
    """The text knows better than finish_reason, which sees length first and the tail only."""
    async with FakeTGI(script) as server:
        completion = await wire(server).complete(ask(max_tokens=4))

    assert (completion.text, completion.ended) == (text, ended)
    assert completion.usage["completion_tokens"] == len(script)


async def test_neutral_values_are_left_out() -> None:
    """Gotcha 33: temperature 0, top_p 1 and top_k 0 are errors, a 0 may become a penalty."""
    async with FakeTGI(["7", EOS]) as server:
        await wire(server).complete(ask(seed=5))

    assert server.bodies("/generate")[0]["parameters"] == {
        "max_new_tokens": 64,
        "stop": ["\n\n"],
        "details": True,
        "return_full_text": False,
        "seed": 5,
        "do_sample": False,
    }


async def test_sampling_is_sent_where_it_is_not_neutral() -> None:
    """Every value that TGI has is sent."""
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=20, repetition_penalty=1.1)
    async with FakeTGI(["7", EOS]) as server:
        await wire(server).complete(ask(sampling=sampling))

    sent = server.bodies("/generate")[0]["parameters"]
    assert (sent["do_sample"], sent["temperature"], sent["top_p"]) == (True, 0.7, 0.9)
    assert (sent["top_k"], sent["repetition_penalty"]) == (20, 1.1)


async def test_greedy_is_not_turned_into_sampling() -> None:
    """Any of top_p and top_k present would turn sampling on at temperature 0."""
    async with FakeTGI(["7", EOS]) as server:
        await wire(server).complete(ask(sampling=Sampling(top_p=0.9, top_k=20)))

    assert {"top_p", "top_k"} & set(server.bodies("/generate")[0]["parameters"]) == set()


async def test_min_p_is_refused() -> None:
    """TGI does not have it, and would ignore it silently."""
    async with FakeTGI() as server:
        with pytest.raises(CapabilityError, match=r"min_p=0\.1"):
            await wire(server).complete(ask(sampling=Sampling(min_p=0.1)))

    assert server.requests == []


async def test_a_long_budget_is_spent_in_pieces() -> None:
    """Gotcha 34: the router forgets stop strings after 1024 tokens.

    Each piece is a request of its own with a seed of its own; a separator across two is found.
    """
    async with FakeTGI([*["a"] * 1023, "\n"], ["\n", "Step", EOS]) as server:
        completion = await wire(server).complete(ask(max_tokens=2000, seed=10))

    first, second = (body["parameters"] for body in server.bodies("/generate"))
    assert (first["max_new_tokens"], first["seed"]) == (1024, 10)
    assert (second["max_new_tokens"], second["seed"]) == (976, 11)
    assert (completion.text, completion.ended) == ("a" * 1023, "separator")
    assert completion.usage["completion_tokens"] == 1027


async def test_the_budget_is_clipped_to_the_context() -> None:
    """Gotcha 17: too large a budget is an error; its refusal says how much room there is."""
    async with FakeTGI(["a", "b", "c", "d"], max_total_tokens=6) as server:
        completion = await wire(server).complete(ask(max_tokens=10))

    assert [b["parameters"]["max_new_tokens"] for b in server.bodies("/generate")] == [10, 3]
    assert (completion.text, completion.ended) == ("abc", "context")


async def test_a_step_that_fits_the_rest_of_the_context_ends_as_usual() -> None:
    """Clipping changes nothing for a step that ends in time."""
    async with FakeTGI(["a", "\n\n"], max_total_tokens=6) as server:
        completion = await wire(server).complete(ask(max_tokens=10))

    assert (completion.text, completion.ended) == ("a", "separator")


@pytest.mark.parametrize("limits", [{"max_total_tokens": 3}, {"max_input_tokens": 2}])
async def test_a_prompt_beyond_the_context_is_an_overflow(limits: dict[str, int]) -> None:
    """Gotcha 18: neither of TGI's two wordings is a mere bad request."""
    async with FakeTGI(**limits) as server:  # type: ignore[arg-type]
        with pytest.raises(ContextOverflowError):
            await wire(server).complete(ask(max_tokens=10))


async def test_a_context_that_fills_between_pieces_keeps_its_text() -> None:
    """What was written before the context was full is not lost."""
    async with FakeTGI([" a"] * 1024, max_total_tokens=1027) as server:
        completion = await wire(server).complete(ask(max_tokens=2000))

    assert (completion.text, completion.ended) == (" a" * 1024, "context")


async def test_pieces_before_one_that_fails_are_paid_for() -> None:
    """Their cost is on the error."""
    async with FakeTGI([" a"] * 1024) as server:
        with pytest.raises(ServerError) as caught:
            await wire(server).complete(ask(max_tokens=2000))

    assert caught.value.spent is not None
    assert caught.value.spent["completion_tokens"] == 1024


async def test_prompt_tokens_are_read_from_the_header() -> None:
    """TGI reports them nowhere else; nothing is known of its cache."""
    async with FakeTGI(["7", EOS]) as server:
        completion = await wire(server).complete(ask())

    assert completion.usage["prompt_tokens"] == 3
    assert completion.usage["cache_unreported_calls"] == 1


async def test_logprobs_are_read_if_asked_for() -> None:
    """The log-probability of a step is that of its own tokens, without what ended it."""
    async with FakeTGI(["3", " + 4", "\n\n"]) as server:
        completion = await wire(server).complete(ask(logprobs=0))

    assert completion.logprob == -1.0


@pytest.mark.parametrize(
    ("adds_bos", "prompt"),
    [(True, "[INST] What is 3 + 4? [/INST]"), (False, "<s>[INST] What is 3 + 4? [/INST]")],
)
async def test_the_bos_token_never_comes_twice(adds_bos: bool, prompt: str) -> None:
    """Gotcha 14: a BOS of the template is cut if, and only if, the server adds one itself."""
    async with FakeTGI(adds_bos=adds_bos) as server:
        assert await wire(server).render(QUESTION) == prompt


async def test_a_template_without_bos_is_left_alone() -> None:
    """The BOS that the tokenizer adds is then the only one."""
    async with FakeTGI(template="[INST] {} [/INST]") as server:
        assert await wire(server).render(QUESTION) == "[INST] What is 3 + 4? [/INST]"


@pytest.mark.parametrize(
    ("failure", "error", "words"),
    [
        ((422, "Failed to deserialize: missing field `inputs`"), BadRequestError, "missing"),
        (
            (424, {"error": "Request failed", "error_type": "generation"}),
            ServerError,
            "Request failed",
        ),
        (
            (429, {"error": "Model is overloaded", "error_type": "overloaded"}),
            RateLimitError,
            "overloaded",
        ),
    ],
)
async def test_errors_keep_the_servers_words(
    failure: tuple[int, Any], error: type[ProviderError], words: str
) -> None:
    """Gotchas 40, 43: plain text and JSON alike, with role and endpoint named."""
    async with FakeTGI() as server:
        server.script("/generate", failure)
        with pytest.raises(error, match=words) as caught:
            await wire(server).complete(ask())

    assert str(caught.value).startswith(f"draft at {server.url}: ")


async def test_a_model_on_tgi_writes_the_next_step() -> None:
    """Rendering, prefix and stop string come together in one `StepModel`."""
    async with FakeTGI(["3", " + 4", "\n\n"]) as server:
        candidate = await HostedModel(wire(server)).write_step(
            StepRequest(Prefix(QUESTION), max_tokens=16)
        )

    assert server.bodies("/generate")[0]["inputs"] == "[INST] What is 3 + 4? [/INST]"
    assert (candidate["text"], candidate["ended"]) == ("3 + 4", "separator")
