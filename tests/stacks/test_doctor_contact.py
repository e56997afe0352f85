"""Down, refused, or another model: three findings, each with its own advice."""

from __future__ import annotations

import pytest
from aiohttp import web

from rsd_graph import (
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    Endpoint,
    EndpointConnectionError,
    EndpointTimeoutError,
    Limits,
    ModelNotFoundError,
    RSDError,
)
from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.prm import PoolingPRM
from rsd_graph.providers.wires.chat import ChatStepModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.providers.wires.vllm import VLLMWire
from rsd_graph.stacks.doctor import APPLES
from rsd_graph.stacks.doctor.contact import contact
from rsd_graph.stacks.doctor.finding import Seat
from rsd_graph.stacks.doctor.writer import examine_writer
from tests.helpers.doctor_support import BIGRAM, LIMITS, ONCE, at, diagnose, diagnose_prm, unfit
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_servers.vllm import MODEL, FakeVLLM


async def test_a_dead_port_is_one_finding() -> None:
    """Nobody there: told once, with the address to look at, and nothing else is tried."""
    async with FakeVLLM() as server:
        gone = at(server)

    writer, judge = await diagnose(VLLMWire(gone)), await diagnose_prm(PoolingPRM(gone))

    assert list(writer) == list(judge) == ["reachable"]
    assert unfit(writer) == unfit(judge) == {"reachable": "fail"}
    assert writer["reachable"].fix == "Is the server running, and is the address right?"


@pytest.mark.parametrize("key", [None, "wrong"])
async def test_a_refused_key_is_one_finding(key: str | None) -> None:
    """The server is there, but wants another key: the fix names where keys are set."""
    async with FakeVLLM(key="right") as server:
        found = await diagnose(VLLMWire(at(server, key=key)))

    assert {name: check.verdict for name, check in found.items()} == {
        "reachable": "pass",
        "key accepted": "fail",
    }
    assert "RSD_API_KEY" in found["key accepted"].fix


async def test_an_accepted_key_is_told() -> None:
    """It was sent and not refused, and is shown nowhere."""
    async with FakeVLLM(key="right") as server:
        found = await diagnose(VLLMWire(at(server, key="right")))

    assert unfit(found) == {}
    assert found["key accepted"].detail == "one was sent, and not refused"


async def test_a_wrong_model_name_is_one_finding() -> None:
    """The fix lists what the server does serve."""
    async with FakeVLLM() as server:
        found = await diagnose(VLLMWire(at(server, model="pears")))

    assert {name: check.verdict for name, check in found.items()} == {
        "reachable": "pass",
        "key accepted": "pass",
        "model served": "fail",
    }
    assert found["model served"].fix == "It serves apples: put that after '#'."


async def test_a_missing_route_is_not_blamed_on_the_name() -> None:
    """The model is served, but not as a reward model of this family."""
    async with FakeVLLM() as server:
        server.script("/pooling", (404, {"detail": "Not Found"}))
        found = await diagnose_prm(PoolingPRM(at(server)))

    assert unfit(found) == {"model served": "fail"}
    assert found["model served"].fix.startswith("The name is right, this route is not there")


async def test_a_server_that_ignores_the_name_is_warned_about(llamacpp_server: Endpoint) -> None:
    """The real llama.cpp answers to any name: another model than meant may be behind it."""
    wire = LlamaCppWire(Endpoint(llamacpp_server.url, "pears", retry=ONCE))

    found = await diagnose(wire, BIGRAM, Limits(max_tokens=128))

    assert unfit(found) == {"model served": "warn"}
    assert found["model served"].detail.startswith("it answers to 'pears', but says")


async def test_a_busy_server_does_not_answer() -> None:
    """503 is neither the key's fault nor the name's."""
    async with FakeVLLM("busy") as server:
        found = await diagnose(VLLMWire(at(server)))

    assert unfit(found) == {"answers": "fail"}
    assert "no workers" in found["answers"].detail


async def test_a_context_shorter_than_the_limits_is_warned_about() -> None:
    """How many tokens there are, and how many the limits allow."""
    async with FakeVLLM(context=512) as server:
        found = await diagnose(VLLMWire(at(server)))

    read = found["answers"].detail.split(": ")[1].split()[0]
    assert unfit(found) == {"context length": "warn"}
    assert found["context length"].detail == (
        f"512 tokens leave {512 - int(read)} for an answer, and max_tokens is 1024"
    )


async def test_a_context_that_is_not_reported_is_told() -> None:
    """A list of models without lengths is no reason to doubt the server."""
    async with FakeVLLM() as server:
        server.script("/v1/models", (200, {"data": [{"id": MODEL}]}))
        found = await diagnose(VLLMWire(at(server)))

    assert unfit(found) == {}
    assert found["context length"].detail == "not reported by this server"


async def test_a_hosted_chat_is_called_the_approximation_it_is() -> None:
    """It has an address, a key and a name like any other, but it continues no prefix."""
    seat = Seat("draft", APPLES, LIMITS, "\n\n")
    routes = {"/v1/models": {"data": [{"id": "hosted"}]}, "/v1/chat/completions": _chat}
    async with FakeEndpoint(routes) as server:
        model = ChatStepModel(Endpoint(f"{server.url}/v1", "hosted"))
        found = {check.name: check async for check in examine_writer(seat, model)}

    assert unfit(found) == {"prefix continued exactly": "warn"}
    assert found["model served"].detail == "hosted"


async def _chat(request: web.Request) -> web.Response:
    """One step, then the last."""
    asked = (await request.json())["messages"][-1]["content"]
    words = "3 + 4 = 7." if "(none yet)" in asked else "So 7. <END>"
    choice = {"message": {"content": words}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 40, "completion_tokens": 6}
    return web.json_response({"choices": [choice], "usage": usage})


class Someone:
    """A model with an address that tells *told* of itself, or fails to."""

    endpoint = Endpoint("http://somewhere", "pears")

    def __init__(self, told: ServerFacts | RSDError) -> None:
        self._told = told

    async def describe(self) -> ServerFacts:
        if isinstance(self._told, RSDError):
            raise self._told
        return self._told


class Silent:
    """A model with an address that cannot be asked about itself."""

    endpoint = Endpoint("http://somewhere")


LATE = EndpointTimeoutError("no complete answer within 5 s.")
GONE = EndpointConnectionError("no connection.")
REFUSED = AuthenticationError("HTTP 401.")


@pytest.mark.parametrize(
    ("model", "answer", "stopped_at"),
    [
        (Silent(), GONE, "reachable"),
        (Silent(), LATE, "reachable"),
        (Someone(ServerFacts()), LATE, "answers"),
        (Someone(ServerFacts()), REFUSED, "key accepted"),
        (Someone(REFUSED), ModelNotFoundError("HTTP 404."), "key accepted"),
        (
            Someone(ServerFacts()),
            BadRequestError("HTTP 400: pinned to x, not pears."),
            "model served",
        ),
        (Someone(ServerFacts()), BadRequestError("HTTP 400: no such option."), "answers"),
        (Someone(ServerFacts()), ContextOverflowError("HTTP 400: pears is full."), "answers"),
    ],
)
async def test_the_first_thing_that_is_wrong_is_blamed(
    model: object, answer: RSDError, stopped_at: str
) -> None:
    """Whichever of its two exchanges shows it; nothing after it is tried."""

    async def ask() -> Usage:
        raise answer

    met = await contact(Seat("draft", APPLES, LIMITS, "\n\n"), model, ask)

    assert not met.answered
    assert (met.checks[-1].name, met.checks[-1].verdict) == (stopped_at, "fail")
    assert {check.verdict for check in met.checks[:-1]} <= {"pass"}


async def test_who_refuses_to_tell_but_answers_is_fine() -> None:
    """Some gateways keep their list of models to themselves."""

    async def ask() -> Usage:
        return usage(prompt_tokens=10)

    met = await contact(Seat("draft", APPLES, LIMITS, "\n\n"), Someone(REFUSED), ask)

    assert met.answered
    assert {check.verdict for check in met.checks} == {"pass"}


async def test_nobody_there_is_not_asked_twice() -> None:
    """A dead address costs one round of retries, not two."""
    asked = []

    async def ask() -> Usage:
        asked.append(1)
        raise GONE

    met = await contact(Seat("draft", APPLES, LIMITS, "\n\n"), Someone(GONE), ask)

    assert [check.name for check in met.checks] == ["reachable"]
    assert asked == []
