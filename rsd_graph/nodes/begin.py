"""Input x: check the conversation and start afresh, whatever the thread did before."""

from __future__ import annotations

import json
import secrets

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.answer.state import Message, RSDInput, Update, new_run
from rsd_graph.errors import InputError


def begin(state: RSDInput) -> Update:
    """Reset the state for a new answer, name the run, and fix the seed of its random choices.

    Raises:
        InputError: There is nothing to answer.
    """
    conversation = state["conversation"]
    if not conversation or not _says_something(conversation[-1]):
        raise InputError(
            "The question is empty.",
            expected="a conversation whose last message has text",
            hint='Pass initial_state("your question"), or a non-empty list of messages.',
        )
    return {
        "seed": _seed_of(state),
        "run": new_run(),
        "steps": None,
        "candidates": [],
        "rewards": [],
        "scoring_ms": 0.0,
        "scoring_started": 0.0,
        "ledger": empty_ledger(),
        "finish_reason": None,
    }


def _says_something(message: Message) -> bool:
    """A tool may answer with nothing; nobody else may."""
    return bool(message["content"].strip()) or message["role"] == "tool"


def _seed_of(state: RSDInput) -> int:
    """Root seed of this answer: the caller's, made different for every conversation."""
    seed = state.get("seed")
    root = secrets.randbits(62) if seed is None else seed
    return derive_seed(root, json.dumps(state["conversation"]), 0)
