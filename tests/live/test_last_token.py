"""PRMs on the real vLLM that judge the last token: the same rewards, from the prefix cache.

Each way of serving one is compared with the way that reads everything anew, on the same random
weights. What was cached is what the server counted.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from rsd_graph import (
    Candidate,
    ChatRSD,
    Endpoint,
    Limits,
    Prefix,
    RewardError,
    RewardModel,
    candidate,
    reward_model,
)
from rsd_graph.answer.state import Message
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.metrics import CacheCounters, cache_counters
from rsd_graph.providers.prm import Aggregated
from rsd_graph.stacks.doctor import APPLES, Check
from rsd_graph.stacks.doctor.finding import Seat
from rsd_graph.stacks.doctor.prm import examine_prm
from rsd_graph.stacks.split_prm import split_prm
from tests.live.answers import PROBLEMS
from tests.live.conftest import together
from tests.live.servers import served_as, vllm

pytestmark = pytest.mark.live

LONG = ("--max-model-len", "1024")
ANSWERS, STEPS = 8, 8
QWEN = {"plugged": "qwen-prm", "split": "qwen-prm-split"}
"""Ways of serving the process reward model, and what each is called."""

Run = tuple[Prefix, list[Candidate]]


@pytest.fixture(scope="module")
def halves(random_models: Path) -> Path:
    """What `rsd-graph split-prm` makes of the two models it knows."""
    folder = random_models.parent / "halves"
    for name in ("process", "skywork"):
        split_prm(random_models / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def servers(
    venvs: Path,
    logs: Path,
    random_models: Path,
    halves: Path,
    step_pooling: Mapping[str, object],
) -> Iterator[Mapping[str, Endpoint]]:
    """Seven servers: the process and the token model by rows and by the last token, two values."""
    process, tokens, skywork = (random_models / name for name in ("process", "tokens", "skywork"))
    one_label = served_as("Qwen2ForSequenceClassification")
    served: dict[str, tuple[Path, Mapping[str, object], Sequence[str]]] = {
        "stepped": (process, step_pooling, ()),
        "plugged": (process, {}, served_as("Qwen2LastStepReward")),
        "split": (halves / "process", {}, ()),
        "rows": (tokens, {}, ()),
        "flagged": (tokens, {}, one_label),
        "value": (skywork, {}, served_as("Qwen2LastStepValue")),
        "value-split": (halves / "skywork", {}, ()),
    }
    yield from together(
        {
            name: vllm(venvs / "vllm", model, logs, name=name, pooler=pooler, more=[*LONG, *more])
            for name, (model, pooler, more) in served.items()
        }
    )


def answers(seed: int) -> Iterator[Run]:
    """Random answers as RSD scores them: growing by runs of one to three; a third is rewritten."""
    dice = random.Random(seed)
    for _ in range(ANSWERS):
        question = f"{dice.choice(['Adam', 'Bella'])} has {dice.randrange(100)} coins."
        steps: list[Candidate] = []
        while len(steps) < STEPS:
            run = [candidate(_words(dice)) for _ in range(dice.randint(1, 3))]
            yield Prefix([Message(role="user", content=question)], list(steps)), run
            kept = run if dice.random() > 1 / 3 else [*run[:-1], candidate(_words(dice))]
            steps += kept


def _words(dice: random.Random) -> str:
    """A step of some thirty tokens."""
    return " ".join(_sum(dice) for _ in range(3))


def _sum(dice: random.Random) -> str:
    first, second = dice.randrange(100), dice.randrange(100)
    return f"{dice.choice(['Monday', 'Tuesday'])} loses {first}. {first}-{second}={first - second}."


async def rewards(prm: RewardModel, runs: Iterator[Run]) -> list[float]:
    """Of all candidates, in order."""
    return [r for prefix, run in runs for r in (await prm.score(prefix, run)).rewards]


async def counted(endpoint: Endpoint) -> CacheCounters:
    found = await cache_counters(endpoint)
    assert found is not None
    return found


PAIRS = [
    ("qwen-prm+vllm+", "stepped", "qwen-prm+vllm+", "plugged"),
    ("qwen-prm+vllm+", "stepped", "qwen-prm-split+vllm+", "split"),
    ("pure+vllm+", "rows", "pure+vllm+", "flagged"),
    ("skywork+vllm+", "value", "skywork+vllm+", "value-split"),
]


@pytest.mark.parametrize(("before", "by", "after", "served"), PAIRS, ids=lambda v: v)
async def test_the_rewards_are_the_same(
    servers: Mapping[str, Endpoint], before: str, by: str, after: str, served: str
) -> None:
    """Over random answers, rewritten steps and runs of several included: within 1e-4."""
    reference = await rewards(reward_model(f"{before}{servers[by]}"), answers(0))

    found = await rewards(reward_model(f"{after}{servers[served]}"), answers(0))

    assert found == pytest.approx(reference, abs=1e-4)
    assert max(reference) - min(reference) > 0.1


CACHED = [*((after, served) for _, _, after, served in PAIRS), ("skywork+vllm+", "value")]


@pytest.mark.parametrize(("family", "served"), CACHED, ids=lambda v: v)
async def test_what_was_read_before_is_not_computed_again(
    servers: Mapping[str, Endpoint], family: str, served: str
) -> None:
    """By the server's own counters two thirds of the prompts come from the cache."""
    prm = reward_model(f"{family}{servers[served]}")
    before = await counted(servers[served])

    await rewards(prm, answers(1))

    grown = await counted(servers[served]) - before
    assert grown.hits > 2 / 3 * grown.queries


@pytest.mark.parametrize(("family", "served"), [("qwen-prm", "stepped"), ("pure", "rows")])
async def test_rows_are_never_cached(
    servers: Mapping[str, Endpoint], family: str, served: str
) -> None:
    """The other way looks nothing up."""
    before = await counted(servers[served])

    await rewards(reward_model(f"{family}+vllm+{servers[served]}"), answers(1))

    grown = await counted(servers[served]) - before
    assert (grown.queries, grown.hits) == (0, 0)
    assert grown.requests > ANSWERS


@pytest.mark.parametrize("served", QWEN)
async def test_a_run_is_scored_as_its_steps_one_by_one(
    servers: Mapping[str, Endpoint], served: str
) -> None:
    """One list request for the run, once it is known how the server pools."""
    prm = reward_model(f"{QWEN[served]}+vllm+{servers[served]}")
    prefix, run = (
        Prefix([Message(role="user", content="Q")]),
        [candidate(f"{n}=1.") for n in "abcd"],
    )
    alone = [
        (await prm.score(Prefix(prefix.conversation, run[:n]), run[n : n + 1])).rewards[0]
        for n in range(len(run))
    ]

    found = await prm.score(prefix, run)

    assert list(found.rewards) == pytest.approx(alone, abs=1e-4)
    assert found.usage["calls"] == 1


@pytest.mark.parametrize("served", QWEN)
async def test_all_steps_can_be_aggregated(servers: Mapping[str, Endpoint], served: str) -> None:
    """A minimum over an answer, a rewritten step included, is that of step pooling."""
    stepped = Aggregated(reward_model(f"qwen-prm+vllm+{servers['stepped']}"), "min")
    last = Aggregated(reward_model(f"{QWEN[served]}+vllm+{servers[served]}"), "min")

    assert await rewards(last, answers(2)) == pytest.approx(
        await rewards(stepped, answers(2)), abs=1e-4
    )


@pytest.mark.parametrize("lookahead", [0, 2])
@pytest.mark.parametrize("served", QWEN)
async def test_chat_rsd_gives_the_same_answers(
    servers: Mapping[str, Endpoint], served: str, lookahead: int
) -> None:
    """Random verdicts reject about half: both models write, and the same words."""
    stepped = f"qwen-prm+vllm+{servers['stepped']}"
    last = f"{QWEN[served]}+vllm+{servers[served]}"
    texts, sources = {}, set()
    for prm in (stepped, last):
        llm = ChatRSD(
            draft="embedded:draft",
            target="embedded:target",
            prm=prm,
            delta=0.5,
            lookahead=lookahead,
            seed=1,
            max_tokens=128,
        )
        messages = [await llm.ainvoke(problem.question) for problem in PROBLEMS]
        texts[prm] = [message.text for message in messages]
        traces = (message.response_metadata["rsd"]["steps"] for message in messages)
        sources |= {step["source"] for trace in traces for step in trace}

    assert texts[last] == texts[stepped]
    assert sources == {"draft", "target"}


@pytest.mark.parametrize("served", ["value", "value-split"])
async def test_values_are_those_of_transformers(
    servers: Mapping[str, Endpoint], random_models: Path, served: str
) -> None:
    """The value head's raw number after each token, to 1e-4: upstream vLLM serves Skywork's."""
    written = json.loads((random_models / "values.json").read_text("utf-8"))
    prompts = [written["tokens"][:end] for end in range(1, len(written["tokens"]) + 1)]
    body = {"model": served, "input": prompts, "use_activation": False}

    answer = await Client(servers[served]).post("/pooling", body, dict)

    found = [value for item in answer["data"] for value in item["data"]]
    assert found == pytest.approx(written["values"], abs=1e-4)


async def examined(prm: RewardModel) -> dict[str, Check]:
    """What the doctor says; that random weights cannot tell right from wrong is no news."""
    seat = Seat("prm", APPLES, Limits(max_tokens=256), "\n\n")
    return {check.name: check async for check in examine_prm(seat, prm)}


async def test_the_doctor_proves_the_cache(servers: Mapping[str, Endpoint]) -> None:
    """It is read by both ways of the last token, and never with rows: the mend is named."""
    found = {
        name: (await examined(reward_model(f"{family}+vllm+{servers[name]}")))
        for name, family in {**QWEN, "stepped": "qwen-prm", "rows": "pure"}.items()
    }

    verdicts = {name: checks["reads its prefix cache"].verdict for name, checks in found.items()}
    assert verdicts == {"plugged": "pass", "split": "pass", "stepped": "warn", "rows": "warn"}
    assert "split-prm" in found["stepped"]["reads its prefix cache"].fix
    assert "Qwen2ForSequenceClassification" in found["rows"]["reads its prefix cache"].fix
    assert found["plugged"]["judged at the tag"].verdict == "pass"


async def test_logits_are_not_taken_for_probabilities(servers: Mapping[str, Endpoint]) -> None:
    """A split checkpoint under the wrong name is an error that says the right one."""
    prm = reward_model(f"qwen-prm+vllm+{servers['split']}")

    with pytest.raises(RewardError, match=r"no probabilities.*qwen-prm-split"):
        await rewards(prm, answers(3))


@pytest.fixture(scope="module")
def broken(venvs: Path, logs: Path, halves: Path) -> Iterator[Mapping[str, Endpoint]]:
    """Two ways to serve a split checkpoint wrongly: a layer lost, and another pooling."""
    lost = halves / "lost"
    shutil.copytree(halves / "process", lost)
    (lost / "3_Dense" / "model.safetensors").unlink()
    yield from together(
        {
            "lost": vllm(venvs / "vllm", lost, logs, name="lost", pooler={}, more=LONG),
            "mean": vllm(
                venvs / "vllm",
                halves / "process",
                logs,
                name="mean",
                pooler={"pooling_type": "MEAN"},
                more=LONG,
            ),
        }
    )


async def test_a_head_that_was_skipped_is_noticed(broken: Mapping[str, Endpoint]) -> None:
    """vLLM only logs it, and answers as many numbers as the model is wide."""
    prm = reward_model(f"qwen-prm-split+vllm+{broken['lost']}")

    with pytest.raises(RewardError, match=r"\[64\] numbers.*skipped the head"):
        await prm.score(Prefix([Message(role="user", content="Q")]), [candidate("1+1=2.")])


async def test_another_pooling_is_noticed_by_the_doctor(broken: Mapping[str, Endpoint]) -> None:
    """A mean over the tokens has the right shape, but reads no cache; LAST is named as the mend."""
    found = await examined(reward_model(f"qwen-prm-split+vllm+{broken['mean']}"))

    assert found["reads its prefix cache"].verdict == "warn"
    assert "LAST" in found["reads its prefix cache"].fix
