"""What flows along the edges: plain data, so that any checkpointer can store it.

The words are the paper's: a *candidate* is a drafted step under decision, a *step* is settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NotRequired

from langgraph.channels import DeltaChannel
from typing_extensions import TypedDict

from rsd_graph.ledger import Ledger, Usage

Ended = Literal["separator", "eos", "length", "context"]
"""How one generated step ended: our separator matched, the model finished, the token budget ran
out, or the model's context is full. Nothing but `"separator"` lets another step follow it."""

Source = Literal["draft", "target"]

FinishReason = Literal["stop", "length", "context", "max_steps", "repetition", "blank"]
"""Why an answer ended: the model finished, the answer's token budget is spent, the target's
context is full, `max_steps` was reached, the same step kept coming back, or the target had
nothing to say but separators."""


class Message(TypedDict):
    """One turn of the conversation."""

    role: str
    content: str


class Candidate(TypedDict):
    """A generated step that is not settled yet."""

    text: str
    """The step without its separator."""
    ended: Ended
    logprob: float | None
    """Sum of the log-probabilities of its tokens (natural log, temperature 1), if reported."""
    usage: Usage


class Step(TypedDict):
    """One settled lap of Algorithm 1."""

    text: str
    source: Source
    """Who wrote `text`."""
    reward: float | None
    """The PRM's reward of the *draft* at this position; `None` if it was never scored."""
    accepted: bool
    """The verdict on the draft."""
    ended: Ended
    tokens: int
    """Tokens generated for `text`, as the server counted them."""
    ms: float
    """Milliseconds spent on this step by all three models."""
    rejected_text: str | None
    """The draft that was rejected in favour of `text`."""


class RSDInput(TypedDict):
    """What a run starts from."""

    conversation: list[Message]
    seed: NotRequired[int | None]
    """Root of every random choice of this run; drawn at random when absent."""


class RSDOutput(TypedDict):
    """What a run returns."""

    steps: list[Step]
    ledger: Ledger
    finish_reason: FinishReason | None


def append_steps(steps: list[Step], updates: Sequence[list[Step] | None]) -> list[Step]:
    """Append each update to the settled steps; `None` starts over (a new run on this thread)."""
    result = list(steps)
    for update in updates:
        result = [] if update is None else result + update
    return result


class RSDState(TypedDict):
    """The state of one answer.

    `steps` is stored as increments, so that checkpoints grow linearly with the answer.
    """

    conversation: list[Message]
    seed: int
    steps: Annotated[list[Step], DeltaChannel(append_steps, snapshot_frequency=1000)]
    candidates: list[Candidate]
    """Drafted and undecided: one in Algorithm 1, a run of consecutive ones with look-ahead."""
    rewards: list[float | None]
    """One per candidate once scored; `None` where there is nothing to trust."""
    scoring_ms: float
    ledger: Ledger
    finish_reason: FinishReason | None


def initial_state(question: str, *, system: str | None = None, seed: int | None = None) -> RSDInput:
    """The input of one run: a question, optionally after a system prompt."""
    system_turn = [Message(role="system", content=system)] if system else []
    user_turn = Message(role="user", content=question)
    return RSDInput(conversation=[*system_turn, user_turn], seed=seed)


def join_steps(steps: Iterable[Step | Candidate], separator: str = "\n\n") -> str:
    """The assistant's text so far; a separator follows only steps that really ended in one."""
    return "".join(
        step["text"] + (separator if step["ended"] == "separator" else "") for step in steps
    )


def answer_text(steps: Iterable[Step], separator: str = "\n\n") -> str:
    """The finished answer: the joined steps without a trailing separator."""
    return join_steps(steps, separator).removesuffix(separator)
