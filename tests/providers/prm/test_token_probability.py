"""PRMs whose verdict is a token, read from the real llama.cpp server and from scripted wires.

Math-Shepherd, RLHFlow and VersaPRM themselves could not be run here: their tests replay the prompts
and read-outs of their authors' code.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from rsd_graph import (
    Candidate,
    Endpoint,
    Prefix,
    RewardError,
    RewardModel,
    StepRequest,
    candidate,
    reward_model,
    step_model,
)
from rsd_graph.answer.state import Message
from rsd_graph.errors import ServerError
from rsd_graph.providers.prm import (
    MATH_SHEPHERD,
    RECOMPUTE,
    RLHFLOW,
    VERSAPRM,
    PRMFormat,
    TokenProbabilityPRM,
)
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from tests.helpers.scripted_wire import ScriptedWire, verdict

QUESTION = Prefix([Message(role="user", content="What is 3+4?")])


async def test_a_verifier_recomputes_and_then_judges(llamacpp_server: Endpoint) -> None:
    """The verdict is found after the recomputation; P(good) is 0.6 of 0.6 + 0.2."""
    prm = TokenProbabilityPRM(LlamaCppWire(llamacpp_server), RECOMPUTE)

    scores = await prm.score(QUESTION, [candidate("First, 3+4=7.")])

    assert scores.rewards == pytest.approx([0.75], abs=1e-3)
    assert scores.usage["completion_tokens"] == 3  # the equation, the verdict, the end
    assert scores.usage["calls"] == 1
    assert isinstance(prm, RewardModel)


async def test_one_server_can_sit_in_two_seats(llamacpp_server: Endpoint) -> None:
    """A PRM merged into the draft: the same address, written twice; no second model is loaded."""
    draft = step_model(f"llamacpp+{llamacpp_server}", "draft")
    prm = reward_model(f"recompute+llamacpp+{llamacpp_server}")

    step = await draft.write_step(StepRequest(QUESTION, max_tokens=16))

    assert step["text"] == "First, 3+4=7."
    assert (await prm.score(QUESTION, [step])).rewards == pytest.approx([0.75], abs=1e-3)


async def test_a_verdict_in_the_first_place_is_read_there(llamacpp_server: Endpoint) -> None:
    """P(+) and P(-) are read where the verdict must stand, whatever was generated: 0.5 to 0.25."""

    async def coin(render: Any, conversation: Any, steps: Any) -> str:
        return "[coin]"

    prm = TokenProbabilityPRM(LlamaCppWire(llamacpp_server), PRMFormat("coin", coin))

    scores = await prm.score(QUESTION, [candidate("x")])

    assert scores.rewards == pytest.approx([2 / 3], abs=1e-3)
    assert scores.usage["completion_tokens"] == 1


async def test_a_model_that_is_no_verifier_gives_no_reward(llamacpp_server: Endpoint) -> None:
    """Sixteen tokens without a verdict are a RewardError that names the family."""

    async def mute(render: Any, conversation: Any, steps: Any) -> str:
        return "[mute]"

    format_ = PRMFormat("recompute", mute, "<+>", "<->", max_tokens=16)
    prm = TokenProbabilityPRM(LlamaCppWire(llamacpp_server), format_)

    with pytest.raises(RewardError, match=r"none in 16 tokens.*'recompute'"):
        await prm.score(QUESTION, [candidate("x")])


async def test_a_run_is_judged_candidate_by_candidate() -> None:
    """Every candidate is judged after all before it, and pays for itself."""
    wire = ScriptedWire(
        [verdict("<+>", **{"<+>": 0.9, "<->": 0.1})], [verdict("<->", **{"<+>": 0.2, "<->": 0.8})]
    )
    prefix = Prefix(QUESTION.conversation, [candidate("a")])

    scores = await TokenProbabilityPRM(wire, RECOMPUTE).score(
        prefix, [candidate("b"), candidate("c", "eos")]
    )

    assert scores.rewards == pytest.approx([0.9, 0.2])
    assert scores.usage["calls"] == 2
    assert scores.usage["prompt_tokens"] == 14
    assert [request.prompt for request in wire.requests] == [
        "[user: What is 3+4?]a\n\nb\n\n<check>",
        "[user: What is 3+4?]a\n\nb\n\nc\n\n<check>",
    ]


async def test_math_shepherd_reads_numbered_steps_up_to_its_tag() -> None:
    """Steps are numbered and tagged; the verdict is the one token after the last tag."""
    wire = ScriptedWire([verdict("+", plus=0.6, minus=0.2)])
    prefix = Prefix(
        [Message(role="system", content="S"), *QUESTION.conversation], [candidate("3+4=7.")]
    )

    scores = await TokenProbabilityPRM(wire, MATH_SHEPHERD).score(prefix, [candidate("So 7.")])

    assert scores.rewards == pytest.approx([0.75])
    (request,) = wire.requests
    assert request.prompt == "<s>What is 3+4? Step 1: 3+4=7. ки\nStep 2: So 7. ки"
    assert (request.max_tokens, request.logprobs) == (1, 20)


async def test_rlhflow_reads_a_chat_in_which_every_step_was_good() -> None:
    """One step per user turn, "+" in between; the verdict is the assistant's first word."""
    wire = ScriptedWire([verdict("-", plus=0.2, minus=0.6)])
    prefix = Prefix(QUESTION.conversation, [candidate("3+4=7.")])

    scores = await TokenProbabilityPRM(wire, RLHFLOW).score(prefix, [candidate("So 8.")])

    assert scores.rewards == pytest.approx([0.25])
    assert wire.requests[0].prompt == "[user: What is 3+4? 3+4=7.][assistant: +][user: So 8.]"


async def test_versaprm_reads_four_newlines_after_every_step() -> None:
    """P(+), the second of its candidates; the prompt is that of the authors' prm_llama.py."""
    wire = ScriptedWire([verdict("-", plus=0.2, minus=0.6)])
    prefix = Prefix(QUESTION.conversation, [candidate("3+4=7.")])

    scores = await TokenProbabilityPRM(wire, VERSAPRM).score(prefix, [candidate("So 8.")])

    assert scores.rewards == pytest.approx([0.25])
    (request,) = wire.requests
    assert request.prompt == ("<|begin_of_text|>What is 3+4? \n\n3+4=7. \n\n\n\nSo 8. \n\n\n\n")
    assert (request.max_tokens, request.logprobs) == (1, 20)


@pytest.mark.parametrize(
    ("top", "reward"),
    [
        ({"plus": 0.3}, 1.0),
        ({"minus": 0.3}, 0.0),
        ({"plus": 0.3, "▁+": 0.3, "minus": 0.2}, 0.75),
        ({" +": 0.3, "Ġ-": 0.1}, 0.75),
    ],
)
async def test_how_top_probabilities_are_read(top: dict[str, float], reward: float) -> None:
    """A word not among the likeliest counts as impossible; both spellings of a word count."""
    wire = ScriptedWire([verdict("x", **top)])

    scores = await TokenProbabilityPRM(wire, MATH_SHEPHERD).score(QUESTION, [candidate("s")])

    assert scores.rewards == pytest.approx([reward])


async def test_neither_verdict_among_the_likeliest_is_an_error() -> None:
    """Nothing is made up from missing probabilities."""
    wire = ScriptedWire([verdict("x", x=0.5, y=0.5)])

    with pytest.raises(RewardError, match="none is among the likeliest 2 tokens"):
        await TokenProbabilityPRM(wire, MATH_SHEPHERD).score(QUESTION, [candidate("s")])


async def test_an_answer_without_tokens_is_an_error() -> None:
    """A server that reports no log-probabilities cannot serve such a PRM."""
    with pytest.raises(RewardError, match="none in 0 tokens"):
        await TokenProbabilityPRM(ScriptedWire([]), RLHFLOW).score(QUESTION, [candidate("s")])


@pytest.mark.parametrize(
    ("format_", "tag"),
    [(MATH_SHEPHERD, "ки"), (RECOMPUTE, "<check>"), (RECOMPUTE, "<+>"), (VERSAPRM, " \n\n\n\n")],
)
@pytest.mark.parametrize("settled", [True, False])
async def test_a_step_with_the_prms_tag_is_refused(
    format_: PRMFormat, tag: str, settled: bool
) -> None:
    """Gotcha 26: a tag inside a step would move the verdict; refused before anything is asked."""
    wire = ScriptedWire()
    bad, good = candidate(f"so {tag} it is"), candidate("fine")
    steps, run = ([bad], [good]) if settled else ([], [good, bad])

    with pytest.raises(RewardError, match=re.escape(repr(tag))):
        await TokenProbabilityPRM(wire, format_).score(Prefix(QUESTION.conversation, steps), run)

    assert wire.requests == []


async def test_the_first_error_ends_the_run() -> None:
    """One failed request cancels the others and is raised as it is."""
    cancelled = asyncio.Event()

    class Wire(ScriptedWire):
        async def complete(self, request: CompletionRequest) -> Completion:
            if "b" in request.prompt.partition("]")[2]:
                raise ServerError("down", role="prm")
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError("unreachable")

    with pytest.raises(ServerError, match="down"):
        await TokenProbabilityPRM(Wire(), RECOMPUTE).score(QUESTION, _run("a", "b"))

    assert cancelled.is_set()


async def test_cancelling_the_score_cancels_every_request() -> None:
    """Nothing is left running behind a cancelled scoring."""
    running = 0
    started = asyncio.Event()

    class Wire(ScriptedWire):
        async def complete(self, request: CompletionRequest) -> Completion:
            nonlocal running
            running += 1
            if running == 3:
                started.set()
            try:
                await asyncio.Event().wait()
            finally:
                running -= 1
            raise AssertionError("unreachable")

    score = asyncio.create_task(
        TokenProbabilityPRM(Wire(), RECOMPUTE).score(QUESTION, _run("a", "b", "c"))
    )
    await started.wait()
    score.cancel()
    with pytest.raises(asyncio.CancelledError):
        await score

    assert running == 0


def _run(*texts: str) -> list[Candidate]:
    return [candidate(text) for text in texts]
