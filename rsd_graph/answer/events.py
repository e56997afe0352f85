"""What happens inside the graph, as it happens: `graph.astream(..., stream_mode="custom")`.

Events of one step come in this order: drafted, scored, then accepted or rejected, then settled. A
step that cannot be judged (blank or cut off) is rejected without being scored. With look-ahead
several steps are drafted, scored and settled together; `index` says which step of the answer each
event is about. No more events come of steps that were drafted after a rejected one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from typing_extensions import TypedDict

from rsd_graph.answer.state import Candidate, Ended, RSDState, Step, Update
from rsd_graph.answer.steps import action_text


class StepDrafted(TypedDict):
    """The draft has proposed a step; it may still be rejected."""

    type: Literal["step_drafted"]
    index: int
    text: str
    ended: Ended
    tokens: int


class StepScored(TypedDict):
    """The PRM has scored a drafted step."""

    type: Literal["step_scored"]
    index: int
    reward: float


class StepAccepted(TypedDict):
    """The draft's step will be the answer's."""

    type: Literal["step_accepted"]
    index: int
    reward: float


class StepRejected(TypedDict):
    """The target will write this step instead; `reward` is `None` if the draft was never scored."""

    type: Literal["step_rejected"]
    index: int
    reward: float | None
    text: str


class StepSettled(TypedDict):
    """A step is part of the answer and never taken back."""

    type: Literal["step_settled"]
    index: int
    step: Step


Event = StepDrafted | StepScored | StepAccepted | StepRejected | StepSettled


def events_after(
    state: RSDState, update: Update, accepted: Callable[[RSDState], int]
) -> Iterator[Event]:
    """The events of one node.

    Args:
        state: What the node was given.
        update: What it returned.
        accepted: How many candidates of a scored state are accepted.
    """
    first = len(state["steps"])
    candidates, rewards = update.get("candidates", state["candidates"]), update.get("rewards")
    if rewards:
        scored: RSDState = {**state, "candidates": candidates, "rewards": rewards}
        yield from _verdicts(scored, first, accepted(scored))
    elif "candidates" in update:
        yield from _drafted(candidates, first)
    for index, step in enumerate(update.get("steps") or (), first):
        yield StepSettled(type="step_settled", index=index, step=step)


def _drafted(candidates: Sequence[Candidate], first: int) -> Iterator[Event]:
    for index, item in enumerate(candidates, first):
        text, ended, tokens = action_text(item), item["ended"], item["usage"]["completion_tokens"]
        yield StepDrafted(type="step_drafted", index=index, text=text, ended=ended, tokens=tokens)


def _verdicts(scored: RSDState, first: int, count: int) -> Iterator[Event]:
    """Rewards and verdicts up to the first rejection."""
    pairs = zip(scored["candidates"], scored["rewards"], strict=True)
    for index, (item, reward) in enumerate(pairs, first):
        if reward is not None:
            yield StepScored(type="step_scored", index=index, reward=reward)
        if index == first + count:
            text = action_text(item)
            yield StepRejected(type="step_rejected", index=index, reward=reward, text=text)
            return
        if reward is not None:
            yield StepAccepted(type="step_accepted", index=index, reward=reward)
