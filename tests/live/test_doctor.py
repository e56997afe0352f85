"""`rsd-graph doctor` on real servers: what is right passes, and what is wrong is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from rsd_graph import Endpoint, Limits, RewardModel, StepModel, reward_model, step_model
from rsd_graph.embedded.engine import MODELS
from rsd_graph.providers.wires.completion import CompletionWire
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.openai_compatible import OpenAICompatibleWire
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.transformers_serve import TransformersServeWire
from rsd_graph.providers.wires.vllm import VLLMWire
from rsd_graph.stacks.doctor import SHIPPED, Check, examine
from tests.live.servers import vllm

pytestmark = pytest.mark.live

TEMPLATE = ChatTemplate.load(MODELS / "target")
PENALTY = '{"repetition_penalty": 3.0}'
LIMITS = Limits(max_tokens=128)
TARGET, PRM = "embedded:target", "embedded:prm"


async def diagnose(draft: StepModel, target: StepModel, prm: RewardModel) -> list[Check]:
    """All findings that are no pass, except that a busy machine may be slow."""
    checks = [c async for c in examine(draft, target, prm, SHIPPED, limits=LIMITS)]
    return [c for c in checks if c.verdict != "pass" and c.name != "throughput"]


async def about(wire: CompletionWire) -> dict[str, Check]:
    """What is wrong with a draft, by name."""
    found = await diagnose(HostedModel(wire), step_model(TARGET, "target"), reward_model(PRM))
    return {check.name: check for check in found if check.role == "draft"}


@pytest.fixture(scope="module")
def strict(venvs: Path, logs: Path) -> Iterator[Endpoint]:
    """A vLLM that wants a key and, as a model's generation_config.json may, has a penalty."""
    more = ["--api-key", "secret", "--override-generation-config", PENALTY]
    with vllm(venvs / "vllm", MODELS / "target", logs, name="strict", more=more) as endpoint:
        yield replace(endpoint, api_key=SecretStr("secret"))


async def test_nothing_is_wrong_with_vllm(vllm_servers: Mapping[str, Endpoint]) -> None:
    """All three seats: every check passes, the context of 256 tokens included."""
    stack = (
        step_model(f"vllm+{vllm_servers['draft']}", "draft"),
        step_model(f"vllm+{vllm_servers['target']}", "target"),
        reward_model(f"recompute+vllm+{vllm_servers['prm']}"),
    )

    assert await diagnose(*stack) == []


async def test_nothing_is_wrong_with_transformers_serve(
    transformers_servers: Mapping[str, Endpoint],
) -> None:
    """Draft and target; what it does not tell is no failure."""
    draft, target = (
        HostedModel(TransformersServeWire(endpoint, template=TEMPLATE))
        for endpoint in transformers_servers.values()
    )

    assert await diagnose(draft, target, reward_model(PRM)) == []


async def test_vllms_own_penalty_leaks_into_the_generic_provider_only(strict: Endpoint) -> None:
    """Gotcha 15 on the real server: vLLM's provider spells every value out, the other does not."""
    leaking = await about(OpenAICompatibleWire(strict, template=TEMPLATE))
    spelled = await about(VLLMWire(strict))

    assert leaking["no sampling default leaks in"].verdict == "fail"
    assert spelled == {}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"api_key": SecretStr("wrong")}, "key accepted"),
        ({"api_key": None}, "key accepted"),
        ({"model": "nope"}, "model served"),
        ({"url": "http://127.0.0.1:9/v1"}, "reachable"),
    ],
    ids=["wrong key", "no key", "wrong name", "dead port"],
)
async def test_three_things_that_stop_a_seat_are_told_apart(
    strict: Endpoint, change: dict[str, object], name: str
) -> None:
    """Each is the only finding, and a failure."""
    found = await about(VLLMWire(replace(strict, **change)))  # type: ignore[arg-type]

    assert {check.name: check.verdict for check in found.values()} == {name: "fail"}
