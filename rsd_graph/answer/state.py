"""What flows along the edges: plain data, so that any checkpointer can store it.

The words are the paper's: a *candidate* is a drafted step under decision, a *step* is settled.
"""

from __future__ import annotations

import secrets
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from rsd_graph.answer.ledger import Ledger, Usage, stored_ledger

Ended = Literal["separator", "closed", "eos", "length", "context", "invalid"]
"""How one generated step ended: our separator matched, the model closed its thinking, it finished,
the token budget ran out, the model's context is full, or what was drafted is an action that cannot
be carried out. Nothing but `"separator"` and `"closed"` lets another step follow it."""

FOLLOWED: frozenset[Ended] = frozenset({"separator", "closed"})
"""The ends after which another step follows."""

Phase = Literal["thinking", "answer"]
"""Where a step belongs: to what the model thinks before it answers, or to the answer."""

Source = Literal["draft", "target"]

Use = Literal["kept", "rejected", "wasted"]
"""What became of a model's work: it is in the answer or decided about it, it is a draft that was
rejected, or nobody could use it."""

FinishReason = Literal["stop", "length", "context", "max_steps", "repetition", "blank"]
"""Why an answer ended: the model finished, the answer's token budget is spent, the target's
context is full, `max_steps` was reached, the same step kept coming back, or the target had
nothing to say but separators."""


class FunctionCall(TypedDict):
    """A tool's name and the arguments for it."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""


class ToolCall(TypedDict):
    """One call of a tool that a model asks for, in the shape chat APIs and templates know."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class Message(TypedDict):
    """One turn of the conversation."""

    role: str
    content: str
    tool_calls: NotRequired[list[ToolCall]]
    """What an assistant's turn asked for."""
    tool_call_id: NotRequired[str]
    """Which call a tool's turn answers."""
    reasoning_content: NotRequired[str]
    """What an assistant thought before it called tools, while it is still at work with them."""


class Action(TypedDict):
    """What every step holds, settled or not: its text and, with tools bound, what it calls."""

    text: str
    phase: NotRequired[Phase]
    """Absent where nobody thinks: then all is answer."""
    reasoning: NotRequired[str]
    """What was thought before an action, where a chat server tells the two apart."""
    tool_calls: NotRequired[list[ToolCall]]


class Span(TypedDict):
    """A stretch of time in which one model worked on a step; a timeline is made of these."""

    role: Literal["draft", "target", "prm"]
    started: float
    """Unix time in seconds."""
    ms: float
    use: Use
    tokens: NotRequired[int]
    """Tokens generated; of a request that was cancelled, an upper bound. Not said of a PRM."""


class Certainty(TypedDict):
    """How sure a model was of a step it wrote: natural logarithms, at temperature 1.

    Only tokens that begin inside the step's text count, as for its `logprob`.
    """

    tokens: int
    """How many they are, as far as they were reported."""
    mean: float
    """The mean of their log-probabilities."""
    lowest: float
    """The log-probability of the least likely one."""
    first_entropy: float
    """The entropy in nats of what could have stood in place of the first: at least this much, with
    all that the server did not report taken for one token."""


class Candidate(TypedDict):
    """A generated step that is not settled yet."""

    text: str
    """The step without its separator."""
    ended: Ended
    logprob: float | None
    """Sum of the log-probabilities of its tokens (natural log, temperature 1), if reported."""
    usage: Usage
    certainty: NotRequired[Certainty]
    """More of the same, where the tokens were reported one by one."""
    phase: NotRequired[Phase]
    """Where it belongs; absent where nobody thinks."""
    reasoning: NotRequired[str]
    """With tools bound: what was thought before the action."""
    tool_calls: NotRequired[list[ToolCall]]
    """With tools bound: what the action calls."""
    started: NotRequired[float]
    """When it was asked for, as Unix time in seconds; the graph notes it."""


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
    phase: NotRequired[Phase]
    """Where it belongs; absent where nobody thinks."""
    reasoning: NotRequired[str]
    """With tools bound: what was thought before the action."""
    tool_calls: NotRequired[list[ToolCall]]
    """With tools bound: what the action calls."""
    spans: NotRequired[list[Span]]
    """Who worked on it and when, what was in vain included; absent where it is not known."""


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


class RSDState(TypedDict):
    """The state of one answer. How it is stored is `rsd_graph.runtime.schema`'s business."""

    conversation: list[Message]
    seed: int
    """Root of every random choice. Two runs may share it; it identifies nothing."""
    run: str
    """Which run this is: drawn when it begins, shared with no other."""
    steps: list[Step]
    candidates: list[Candidate]
    """Drafted and undecided: one in Algorithm 1, a run of consecutive ones with look-ahead."""
    rewards: list[float | None]
    """One per candidate once scored; `None` where there is nothing to trust."""
    scoring_ms: float
    scoring_started: float
    """Unix time in seconds; 0 where it is not known."""
    ledger: Ledger
    finish_reason: FinishReason | None


class Update(TypedDict, total=False):
    """What a node changes in the state; what it does not name stays."""

    seed: int
    run: str
    steps: list[Step] | None
    """Steps to append; `None` starts over."""
    candidates: list[Candidate]
    rewards: list[float | None]
    scoring_ms: float
    scoring_started: float
    ledger: Ledger
    finish_reason: FinishReason | None


def new_run() -> str:
    """An identity for a run: random, whatever its seed."""
    return secrets.token_hex(8)


def stored_state(stored: RSDState) -> RSDState:
    """A state read from a checkpoint, of this version or an older one."""
    return {
        **stored,
        "run": stored.get("run") or new_run(),
        "scoring_started": stored.get("scoring_started", 0.0),
        "ledger": stored_ledger(stored["ledger"]),
    }


def initial_state(question: str, *, system: str | None = None, seed: int | None = None) -> RSDInput:
    """The input of one run: a question, optionally after a system prompt."""
    system_turn = [Message(role="system", content=system)] if system else []
    user_turn = Message(role="user", content=question)
    return RSDInput(conversation=[*system_turn, user_turn], seed=seed)
