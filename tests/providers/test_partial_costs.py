"""Where one of several requests fails, what the others had cost is on its error."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from rsd_graph import EndpointConnectionError, Prefix, RSDError, ScriptedRewardModel, candidate
from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Message
from rsd_graph.errors import ContextOverflowError
from rsd_graph.providers.base import RewardModel, Scores, StepRequest
from rsd_graph.providers.prm import Ensemble, HybridRatio, LikelihoodRatio, OutcomeRM, PoolingPRM
from rsd_graph.providers.scripted import ScriptedStepModel
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from rsd_graph.providers.wires.ends import ask_again
from rsd_graph.providers.wires.hosted import HostedModel
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.scripted_wire import ScriptedWire, verdict

PREFIX = Prefix([Message(role="user", content="Q")])
RUN = [candidate("b", logprob=-1.0), candidate("c", logprob=-1.0)]
BLANK = [verdict("\n\n", plus=0.5)]


class Paid(ScriptedRewardModel):
    """Its scores cost ten tokens."""

    async def score(self, *args: Any) -> Scores:
        return Scores((await super().score(*args)).rewards, usage(prompt_tokens=10))


class Failing(ScriptedRewardModel):
    """Fails after the others have answered, having read five tokens itself."""

    async def score(self, *args: Any) -> Scores:
        error = EndpointConnectionError("down.")
        error.spent = usage(prompt_tokens=5)
        raise error


class Target(ScriptedStepModel):
    """Tells the probability of the first text, for ten tokens, and fails at the second."""

    def __init__(self) -> None:
        super().__init__([])

    async def log_probability(
        self, prefix: Prefix, text: str, end: str = ""
    ) -> tuple[float, Usage]:
        if text == "c":
            raise EndpointConnectionError("down.")
        return -1.0, usage(prompt_tokens=10)


@pytest.mark.parametrize(
    ("prm", "paid"),
    [
        (Ensemble([Paid([0.5, 0.5]), Failing([])]), 15),
        (Ensemble([Paid([0.5, 0.5]), Paid([math.nan, 0.5])]), 20),
        (LikelihoodRatio(Target()), 10),
        (HybridRatio(Paid([0.5, 0.5]), Target()), 20),
    ],
)
async def test_rewards_made_of_several_requests(prm: RewardModel, paid: int) -> None:
    """A PRM asks several models, and one of them fails or cannot be trusted."""
    with pytest.raises(RSDError) as caught:
        await prm.score(PREFIX, RUN)

    assert caught.value.spent is not None
    assert caught.value.spent["prompt_tokens"] == paid


def pooled(*rows: list[float]) -> dict[str, Any]:
    data = [{"index": index, "data": row} for index, row in enumerate(rows)]
    return {"data": data, "usage": {"prompt_tokens": 10, "total_tokens": 10}}


@pytest.mark.parametrize("second", [(500, {}), (200, pooled([3.0, 4.0]))])
async def test_a_pooling_server_that_fails_at_the_earlier_prompts(second: Any) -> None:
    """The longest prompt is asked first, while nobody knows how the server pools."""
    async with FakeEndpoint() as server:
        server.script("/pooling", (200, pooled([0.5, 0.5])), *[second] * 3)
        with pytest.raises(RSDError) as caught:
            await PoolingPRM(server.endpoint).score(PREFIX, RUN)

    assert caught.value.spent is not None
    assert caught.value.spent["prompt_tokens"] == (10 if second[0] == 500 else 20)


async def test_a_classifier_of_many_labels() -> None:
    """It has read the answer before it turned out to be none of ours."""
    answer = {"data": [{"index": 0, "probs": [0.5, 0.5]}], "usage": {"prompt_tokens": 10}}

    async def classify(_: web.Request) -> web.Response:
        return web.json_response(answer)

    async with FakeEndpoint({"/classify": classify}) as server:
        with pytest.raises(RSDError, match="2 labels") as caught:
            await OutcomeRM(server.endpoint).score(PREFIX, RUN[:1])

    assert caught.value.spent is not None
    assert caught.value.spent["prompt_tokens"] == 10


class BlankFirst(ScriptedWire):
    """Its first completion is nothing but a separator."""

    async def complete(self, request: Any) -> Completion:
        completion = await super().complete(request)
        return replace(completion, text="", ended="separator")


async def test_a_step_whose_second_request_fails() -> None:
    """The first, blank answer is paid for."""
    model = HostedModel(BlankFirst(BLANK, EndpointConnectionError("down.")))
    with pytest.raises(EndpointConnectionError) as caught:
        await model.write_step(StepRequest(PREFIX, 8))

    assert caught.value.spent == usage(prompt_tokens=7, completion_tokens=1)


async def test_a_step_whose_second_request_finds_no_room() -> None:
    """So is one before a full context, which is no error."""
    model = HostedModel(BlankFirst(BLANK, ContextOverflowError("full.")))

    written = await model.write_step(StepRequest(PREFIX, 8))

    assert written["ended"] == "context"
    assert (written["usage"]["calls"], written["usage"]["prompt_tokens"]) == (2, 7)


async def test_an_end_that_cannot_be_asked_for() -> None:
    """The step itself was written, and is paid for."""
    request = CompletionRequest("<Q>", max_tokens=8, stop=("\n\n",))
    first = Completion("a", "eos", usage(prompt_tokens=7))

    async def fail(request: CompletionRequest) -> Completion:
        raise EndpointConnectionError("down.")

    with pytest.raises(EndpointConnectionError) as caught:
        await ask_again(fail, request, first)

    assert caught.value.spent == usage(prompt_tokens=7)
