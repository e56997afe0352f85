"""Thinking models that write whatever markers a hash picks: what holds for every such run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_graph import ChatRSD, HostedModel, Phases, create_rsd_graph, initial_state
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.steps import join_steps
from tests.helpers.hashed import HashedPRM, transcript
from tests.helpers.thinking_wire import OPENED, HashedWire

SALTS = st.text("abcxyz", min_size=1, max_size=6)
ANSWER_BY = st.sampled_from(["rsd", "draft", "target"])
LIMITS = st.sampled_from(
    [
        {"max_step_tokens": 40, "max_steps": 14, "min_step_tokens": 1},
        {"max_step_tokens": 5, "max_steps": 12, "min_step_tokens": 3, "max_thinking_tokens": 12},
        {"max_tokens": 60, "max_step_tokens": 30, "max_thinking_steps": 2},
    ]
)


def models(salt: str, rejects: float, opened: str) -> dict[str, Any]:
    """A draft, a target of another mind, and a PRM."""
    draft, target = HashedWire(f"d{salt}", opened), HashedWire(f"t{salt}", opened)
    prm = HashedPRM(rejects)
    return {"draft": HostedModel(draft), "target": HostedModel(target), "prm": prm}


@settings(max_examples=30, deadline=None)
@given(
    salt=SALTS,
    rejects=st.sampled_from([0.0, 0.3, 1.0]),
    lookahead=st.sampled_from([0, 1, 3, "auto"]),
    hedge=st.sampled_from([None, 0.0, 0.3]),
    limits=LIMITS,
    answer_by=ANSWER_BY,
)
def test_look_ahead_and_hedge_change_nothing_in_either_phase(
    salt: str, rejects: float, lookahead: Any, hedge: float | None, limits: Any, answer_by: Any
) -> None:
    """Same steps, phases, rewards and finish reason as in the sequential loop."""

    def answered(**early: Any) -> Any:
        phases, kinds = Phases("on", answer_by), models(salt, rejects, OPENED)
        graph = create_rsd_graph(**kinds, phases=phases, limits=Limits(**limits), **early)
        return asyncio.run(graph.compile().ainvoke(initial_state(salt, seed=1)))

    plain, early = answered(), answered(lookahead=lookahead, hedge=hedge)

    assert transcript(early) == transcript(plain)
    assert [s["phase"] for s in early["steps"]] == [s["phase"] for s in plain["steps"]]
    assert early["finish_reason"] == plain["finish_reason"]


@settings(max_examples=30, deadline=None)
@given(
    salt=SALTS,
    rejects=st.sampled_from([0.0, 0.4]),
    limits=LIMITS,
    opened=st.sampled_from([OPENED, ""]),
    answer_by=ANSWER_BY,
)
def test_content_holds_no_marker_and_with_the_reasoning_all_that_was_settled(
    salt: str, rejects: float, limits: Any, opened: str, answer_by: Any
) -> None:
    """Whatever the models write; and thinking never follows the answer."""
    kinds = models(salt, rejects, opened)
    message = ChatRSD(**kinds, thinking="on", answer_by=answer_by, **limits).invoke(salt)

    steps = message.response_metadata["rsd"]["steps"]
    phases = [step["phase"] for step in steps]
    thinking = [step for step in steps if step["phase"] == "thinking"]
    answer = [step for step in steps if step["phase"] == "answer"]
    reasoning = message.additional_kwargs.get("reasoning_content", "")
    assert "<think>" not in message.text
    assert "</think>" not in message.text
    assert phases == sorted(phases, reverse=True)
    assert reasoning == _untailed(thinking)
    assert message.text == _untailed(answer)


def _untailed(steps: Any) -> str:
    """The joined steps, without what only another step would need."""
    last = [{**step, "ended": "eos"} for step in steps[-1:]]
    return join_steps([*steps[:-1], *last])  # type: ignore[list-item]
