"""Reward models with random weights on the real vLLM, Skywork's with our plug-in.

The rewards mean nothing; that they are read where they should be is what is checked. What a server
that judges the last token must have in common with these: `test_last_token.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rsd_graph import (
    ContextOverflowError,
    Endpoint,
    ModelNotFoundError,
    Prefix,
    RewardError,
    RewardModel,
    candidate,
    reward_model,
)
from rsd_graph.answer.state import Message
from rsd_graph.providers.base import check_scores
from rsd_graph.providers.prm import Aggregated
from tests.live.conftest import together
from tests.live.servers import CONTEXT, served_as, vllm

pytestmark = pytest.mark.live

CONVERSATION = [Message(role="user", content="Adam has 43 coins. How many coins?")]
SETTLED = Prefix(CONVERSATION, [candidate("43-33=10."), candidate("10+8=18.")])
RUN = [candidate("18*4=72."), candidate("So 72.", "eos")]
FAMILIES = {"qwen-prm": "process", "pure": "tokens", "orm": "outcome", "skywork": "skywork"}


@pytest.fixture(scope="module")
def servers(
    venvs: Path, logs: Path, random_models: Path, step_pooling: Mapping[str, object]
) -> Iterator[Mapping[str, Endpoint]]:
    """Four reward models, as vLLM serves them by default but for Skywork's."""
    poolers: Mapping[str, Mapping[str, object]] = {
        "process": step_pooling,
        "tokens": {},
        "outcome": {},
        "skywork": {},
    }
    more = {"skywork": served_as("Qwen2LastStepValue")}
    yield from together(
        {
            name: vllm(
                venvs / "vllm",
                random_models / name,
                logs,
                name=name,
                pooler=pooler,
                more=more.get(name, ()),
            )
            for name, pooler in poolers.items()
        }
    )


@pytest.fixture(params=FAMILIES)
def prm(request: pytest.FixtureRequest, servers: Mapping[str, Endpoint]) -> RewardModel:
    return reward_model(f"{request.param}+vllm+{servers[FAMILIES[request.param]]}")


async def test_a_run_is_scored_as_its_steps_one_by_one(prm: RewardModel) -> None:
    """Look-ahead relies on it; every reward is in the declared range."""
    together_ = await prm.score(SETTLED, RUN)
    after = Prefix(CONVERSATION, [*SETTLED.steps, RUN[0]])
    alone = [
        (await prm.score(SETTLED, RUN[:1])).rewards[0],
        (await prm.score(after, RUN[1:])).rewards[0],
    ]

    check_scores(together_, RUN, prm)
    assert list(together_.rewards) == pytest.approx(alone, abs=1e-4)
    assert together_.rewards[0] != together_.rewards[1]


async def test_the_whole_prefix_counts(prm: RewardModel) -> None:
    """Another question, another reward: nothing is cut off in front."""
    other = Prefix([Message(role="user", content="Bella has 9 pens.")], SETTLED.steps)

    here = (await prm.score(SETTLED, RUN[:1])).rewards
    there = (await prm.score(other, RUN[:1])).rewards

    assert list(here) != pytest.approx(list(there), abs=1e-4)


async def test_too_long_is_an_error(prm: RewardModel) -> None:
    """A text beyond the context is refused, never scored in part."""
    long = [candidate("1+1=2. " * CONTEXT)] * 4

    with pytest.raises(ContextOverflowError):
        await prm.score(SETTLED, long)


async def test_rows_of_settled_steps_can_be_aggregated(servers: Mapping[str, Endpoint]) -> None:
    """A minimum over the answer is one request: all its steps are in it."""
    prm = reward_model(f"qwen-prm+vllm+{servers['process']}")

    scores = await Aggregated(prm, "min").score(SETTLED, RUN)

    assert scores.usage["calls"] == 1
    assert len(scores.step_rewards) == 4
    assert list(scores.rewards) == [min(scores.step_rewards[:3]), min(scores.step_rewards)]


async def test_the_wrong_family_is_noticed(servers: Mapping[str, Endpoint]) -> None:
    """A token classifier asked for step rows, a process model asked for token rows or /classify."""
    step_rows = reward_model(f"qwen-prm+vllm+{servers['tokens']}")
    token_rows = reward_model(f"pure+vllm+{servers['process']}")
    outcome = reward_model(f"orm+vllm+{servers['process']}")

    with pytest.raises(RewardError, match="rows"):
        await step_rows.score(SETTLED, RUN)
    with pytest.raises(RewardError, match="rows"):
        await token_rows.score(SETTLED, RUN)
    with pytest.raises(ModelNotFoundError):
        await outcome.score(SETTLED, RUN)
