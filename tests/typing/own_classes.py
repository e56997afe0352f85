"""Never run: what people write themselves must pass `mypy --strict` as it stands."""

from __future__ import annotations

from collections.abc import Sequence

from rsd_graph import (
    Candidate,
    ChatRSD,
    Completion,
    CompletionRequest,
    Endpoint,
    FunctionPRM,
    HostedModel,
    Message,
    Prefix,
    Scores,
    StepRequest,
    Weighting,
    candidate,
    create_rsd_graph,
    criterion,
    step_model,
    usage,
)
from rsd_graph.providers.prm import Aggregated, Ensemble


class Sync:
    """Both roles, sync, under names of one's own."""

    reward_range = (0, 1)

    def write_step(self, asked: StepRequest) -> Candidate:
        return candidate(asked.prefix.text, "eos")

    def score(self, so_far: Prefix, drafted: Sequence[Candidate]) -> list[float]:
        return [0.5 for _ in drafted]


class Async:
    """Both roles, async."""

    def __init__(self) -> None:
        self._most = 1.0

    @property
    def reward_range(self) -> tuple[float, float]:
        return 0.0, self._most

    async def write_step(self, request: StepRequest) -> Candidate:
        return candidate("text")

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        return Scores([0.5])


class AsyncList:
    """A list from an async method."""

    reward_range = (-1.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> list[float]:
        return [0.0]


class Wire:
    """A server of one's own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def render(self, conversation: Sequence[Message]) -> str:
        return conversation[-1]["content"]

    async def complete(self, request: CompletionRequest) -> Completion:
        return Completion(request.prompt, "eos", usage())


def omega(reward: float) -> bool:
    return reward > 0.5


def judge(question: str, steps: list[str]) -> float:
    return float(question in steps)


async def ask(question: str, steps: list[str]) -> float:
    return judge(question, steps)


def build() -> None:
    """Every way to put them in a seat."""
    hosted = HostedModel(Wire(Endpoint("http://h")))
    create_rsd_graph(draft=Sync(), target=Async(), prm=Sync(), accept=omega)
    create_rsd_graph(draft=hosted, target=step_model("x", "target"), prm=Async())
    create_rsd_graph(draft=Async(), target=Sync(), prm=AsyncList(), accept=criterion("clipping"))
    for prm in (FunctionPRM(judge), FunctionPRM(ask), Ensemble([Sync(), Async()])):
        create_rsd_graph(draft=Sync(), target=Sync(), prm=prm, accept=lambda reward: 1.0)
    create_rsd_graph(draft=Sync(), target=Sync(), prm=Aggregated(AsyncList(), "min"))
    ChatRSD(draft=Sync(), target=Async(), prm=AsyncList(), accept="clipping")
    ChatRSD(draft=hosted, target=hosted, prm=FunctionPRM(judge), accept=omega)
    named: Weighting = criterion("logistic(alpha=10)")
    assert named(0.5) < 1
