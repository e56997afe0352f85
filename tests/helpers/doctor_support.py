"""Asking the doctor about one seat."""

from __future__ import annotations

from pydantic import SecretStr

from rsd_graph import Endpoint, Limits, RetryPolicy
from rsd_graph.providers.prm import PoolingPRM
from rsd_graph.providers.wires.completion import CompletionWire
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.stacks.doctor import APPLES, Check, Example
from rsd_graph.stacks.doctor.finding import Seat
from rsd_graph.stacks.doctor.prm import examine_prm
from rsd_graph.stacks.doctor.writer import examine_writer
from tests.helpers.fake_servers.vllm import MODEL, FakeVLLM

ONCE = RetryPolicy(attempts=1)
BIGRAM = Example("What is 3+4?", good="First, 3+4=7.", bad="So 7.")
"""What the model of `tests.helpers.bigram` can answer."""
LIMITS = Limits(max_tokens=1024)


async def diagnose(
    wire: CompletionWire, example: Example = APPLES, limits: Limits = LIMITS
) -> dict[str, Check]:
    """What is found about a draft, by name."""
    seat = Seat("draft", example, limits, "\n\n")
    return {check.name: check async for check in examine_writer(seat, HostedModel(wire))}


async def diagnose_prm(prm: PoolingPRM) -> dict[str, Check]:
    """What is found about a PRM, by name."""
    seat = Seat("prm", APPLES, LIMITS, "\n\n")
    return {check.name: check async for check in examine_prm(seat, prm)}


def unfit(found: dict[str, Check]) -> dict[str, str]:
    """The verdicts that are no pass."""
    return {name: check.verdict for name, check in found.items() if check.verdict != "pass"}


def at(server: FakeVLLM, model: str = MODEL, key: str | None = None) -> Endpoint:
    return Endpoint(f"{server.url}/v1", model, api_key=key and SecretStr(key), retry=ONCE)
