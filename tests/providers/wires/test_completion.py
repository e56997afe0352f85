"""A hosted model over any wire: rendering, continuing, blank steps, full contexts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from rsd_graph import (
    CapabilityError,
    ContextOverflowError,
    Endpoint,
    Prefix,
    Sampling,
    StepModel,
    StepRequest,
    candidate,
)
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Message
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, Token, cut_at_stop
from rsd_graph.providers.wires.hosted import HostedModel

CONVERSATION = [Message(role="user", content="Q")]


class ScriptedWire:
    """Answers with the scripted completions, in order."""

    endpoint = Endpoint("http://h:1", "m", "draft")

    def __init__(self, *script: Completion | Exception) -> None:
        self._script = list(script)
        self.rendered: list[Sequence[Message]] = []
        self.requests: list[CompletionRequest] = []

    async def render(self, conversation: Sequence[Message]) -> str:
        self.rendered.append(conversation)
        return f"<{conversation[-1]['content']}>"

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        answer = self._script[len(self.requests) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def says(text: str, ended: Any = "separator", tokens: Sequence[Token] = ()) -> Completion:
    return Completion(text, ended, usage(prompt_tokens=5, completion_tokens=2), tokens)


def request(*steps: Any, **changes: Any) -> StepRequest:
    return StepRequest(Prefix(CONVERSATION, steps), **{"max_tokens": 64, **changes})


async def test_a_step_continues_the_rendered_prefix() -> None:
    """B24, B26: the template is rendered once, then the answer's own text is appended, exactly."""
    wire = ScriptedWire(says("b"))
    sampling = Sampling(temperature=0.7)

    written = await HostedModel(wire).write_step(request(candidate("a"), sampling=sampling, seed=3))

    assert wire.requests == [
        CompletionRequest("<Q>a\n\n", 64, ("\n\n",), sampling, seed=3, logprobs=None)
    ]
    assert (written["text"], written["ended"], written["logprob"]) == ("b", "separator", None)
    assert written["usage"]["prompt_tokens"] == 5


async def test_a_cut_step_is_continued_without_a_separator() -> None:
    """B5, gotcha 4: only a matched separator is written back."""
    wire = ScriptedWire(says("rest"))

    await HostedModel(wire).write_step(request(candidate("half", "length")))

    assert wire.requests[0].prompt == "<Q>half"


async def test_every_conversation_is_rendered_once() -> None:
    """B25: a thousand steps cost one rendering; a changed conversation is a new one."""
    wire = ScriptedWire(*[says("x")] * 3)
    model = HostedModel(wire)
    other = Prefix([Message(role="user", content="Other")])

    await model.write_step(request())
    await model.write_step(request(candidate("x")))
    await model.write_step(StepRequest(other, 64))

    assert len(wire.rendered) == 2


@pytest.mark.parametrize("blank", ["", "\n", "  "])
async def test_a_leading_separator_is_written_past_once(blank: str) -> None:
    """B6, gotcha 5: a blank first answer is asked again past its separator; both are booked."""
    wire = ScriptedWire(says(blank), says("real", "eos"))

    written = await HostedModel(wire).write_step(request())

    assert [r.prompt for r in wire.requests] == ["<Q>", "<Q>\n\n"]
    assert (written["text"], written["ended"]) == ("real", "eos")
    assert written["usage"]["calls"] == 2
    assert written["usage"]["completion_tokens"] == 4


async def test_a_model_with_nothing_but_separators_is_asked_twice_at_most() -> None:
    """B6: the second blank is returned as it is; the graph decides what it means."""
    wire = ScriptedWire(says(""), says(""))

    written = await HostedModel(wire).write_step(request())

    assert (written["text"], written["ended"]) == ("", "separator")
    assert len(wire.requests) == 2


async def test_an_empty_end_is_an_end() -> None:
    """A model that ends at once has finished: it is not asked again."""
    wire = ScriptedWire(says("", "eos"))

    assert (await HostedModel(wire).write_step(request()))["ended"] == "eos"


async def test_a_full_context_is_an_outcome() -> None:
    """Gotcha 18: the prompt that no longer fits ends the answer; it is no crash in mid-problem."""
    wire = ScriptedWire(ContextOverflowError("full"))

    written = await HostedModel(wire).write_step(request())

    assert (written["text"], written["ended"]) == ("", "context")
    assert written["usage"]["calls"] == 1


async def test_log_probabilities_are_asked_for_only_when_wanted() -> None:
    """Servers charge for them; with them, the candidate carries the log-probability of its text."""
    tokens = [Token("a", -1.0), Token("b", -0.5), Token("\n\n", -4.0)]
    wire = ScriptedWire(says("ab", tokens=tokens))

    written = await HostedModel(wire, logprobs=True).write_step(request())

    assert wire.requests[0].logprobs == 5
    assert written["logprob"] == -1.5
    assert (written["certainty"]["tokens"], written["certainty"]["lowest"]) == (2, -1.0)


@pytest.mark.parametrize(
    ("top", "entropy"),
    [
        ({"a": 0.5, "b": 0.5}, math.log(2)),
        ({"a": 1.0}, 0.0),
        ({"a": 0.5}, math.log(2)),  # the other half is taken for one token
        ({"a": 0.5, "b": 0.25}, 1.5 * math.log(2)),
    ],
)
async def test_the_first_tokens_entropy_is_never_overstated(
    top: dict[str, float], entropy: float
) -> None:
    """What a server does not report counts as one more token: a lower bound, exact if it is one."""
    likeliest = {text: math.log(p) for text, p in top.items()}
    wire = ScriptedWire(says("ab", tokens=[Token("a", likeliest["a"], likeliest), Token("b", -9)]))

    written = await HostedModel(wire, logprobs=True).write_step(request())

    assert written["certainty"]["first_entropy"] == pytest.approx(entropy)


async def test_a_wire_that_cannot_score_text_says_so() -> None:
    """The error names the seat, the server, and what to use instead."""
    model = HostedModel(ScriptedWire())

    with pytest.raises(CapabilityError, match=r"draft at http://h:1#m.*vLLM"):
        await model.log_probability(Prefix(CONVERSATION), "text")


def test_a_hosted_model_takes_a_seat() -> None:
    """It is a step model, and prints as what it is."""
    model = HostedModel(ScriptedWire())

    assert isinstance(model, StepModel)
    assert repr(model) == "HostedModel(ScriptedWire(http://h:1#m))"


@pytest.mark.parametrize(
    ("tokens", "logprob"),
    [
        ([], None),
        ([Token("ab", -1.0), Token("<eos>", -9.0)], -1.0),
        ([Token("a", -1.0), Token("b.\n\n", -2.0)], -3.0),
        ([Token("", -9.0)], -9.0),
    ],
)
def test_the_log_probability_of_a_text(tokens: list[Token], logprob: float | None) -> None:
    """Gotcha 19: tokens that begin in the text count in full; what comes after does not."""
    assert Completion("ab", "separator", usage(), tokens).logprob == logprob


@pytest.mark.parametrize(
    ("text", "stop", "cut"),
    [
        ("a\n\nb", ("\n\n",), ("a", "\n\n")),
        ("a\n\n\nb", ("\n\n",), ("a", "\n\n")),
        ("\n\nb", ("\n\n",), ("", "\n\n")),
        ("ab", ("\n\n",), ("ab", "")),
        ("aXbY", ("Y", "X"), ("a", "X")),
        ("ab", (), ("ab", "")),
    ],
)
def test_text_is_cut_at_the_first_stop_string(
    text: str, stop: tuple[str, ...], cut: tuple[str, str]
) -> None:
    """Gotcha 8: wherever a server left it, the first stop string ends the step."""
    assert cut_at_stop(text, stop) == cut
