"""How each family of PRMs wants to be asked about steps. There is no common protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from rsd_graph.answer.state import Message
from rsd_graph.errors import RewardError
from rsd_graph.providers.http.endpoint import Endpoint

Render = Callable[[Sequence[Message]], Awaitable[str]]
"""Renders a conversation with the PRM's own chat template, ready for the assistant's turn."""

Prompt = Callable[[Render, Sequence[Message], Sequence[str]], Awaitable[str]]
"""(render, conversation, steps) -> the prompt after which the verdict on the last step stands."""

QWEN_SYSTEM_PROMPT = r"Please reason step by step, and put your final answer within \boxed{}."


@dataclass(frozen=True, slots=True)
class Thinking:
    """What a generative verifier writes before its verdict.

    Attributes:
        stop: What ends it; at most 4.
        verdict: The text after which the verdict stands.
        max_tokens: Where the thinking is cut; the verdict is asked for all the same.
    """

    stop: tuple[str, ...]
    verdict: str
    max_tokens: int = 2048


@dataclass(frozen=True, slots=True)
class PRMFormat:
    """A PRM whose verdict is one generated token.

    Attributes:
        name: The family, as endpoint strings name it.
        prompt: What it is asked.
        good: Verdict token of a good step, without the space some tokenizers put before it.
        bad: Verdict token of a bad one.
        max_tokens: Tokens until the verdict must have come; 1 where it is the first token.
        reserved: Text that would change what is judged if a step contained it.
        thinking: What is written before the verdict, if anything.
        grades: Verdict tokens and what each is worth, where there are more than good and bad.
        greedy: Whether the likeliest verdict decides alone, instead of the mean of all.
        doubts: Words that speak against a step if one comes next, in lower case; then there is no
            verdict token, and the reward is 1 - P(one of them).
    """

    name: str
    prompt: Prompt
    good: str = "+"
    bad: str = "-"
    max_tokens: int = 1
    reserved: tuple[str, ...] = ()
    thinking: Thinking | None = None
    grades: Mapping[str, float] | None = None
    greedy: bool = False
    doubts: tuple[str, ...] = ()

    @property
    def worth(self) -> Mapping[str, float]:
        """Every verdict token and its reward."""
        return self.grades or {self.good: 1.0, self.bad: 0.0}


async def _recompute_prompt(
    render: Render, conversation: Sequence[Message], steps: Sequence[str]
) -> str:
    return await render(conversation) + "".join(f"{step}\n\n" for step in steps) + "<check>"


async def _math_shepherd_prompt(
    render: Render, conversation: Sequence[Message], steps: Sequence[str]
) -> str:
    numbered = [f"Step {number}: {step} ки" for number, step in enumerate(steps, start=1)]
    return f"<s>{question_of(conversation)} " + "\n".join(numbered)


async def _rlhflow_prompt(
    render: Render, conversation: Sequence[Message], steps: Sequence[str]
) -> str:
    first = f"{question_of(conversation)} {steps[0]}"
    turns = [Message(role="user", content=first)]
    for step in steps[1:]:
        turns.append(Message(role="assistant", content="+"))
        turns.append(Message(role="user", content=step))
    return await render(turns)


async def _versaprm_prompt(
    render: Render, conversation: Sequence[Message], steps: Sequence[str]
) -> str:
    judged = "".join(f"{step}{_VERSAPRM_TAG}" for step in steps)
    return f"<|begin_of_text|>{question_of(conversation)} \n\n{judged}"


RECOMPUTE = PRMFormat(
    "recompute", _recompute_prompt, "<+>", "<->", max_tokens=16, reserved=("<check>", "<+>", "<->")
)
"""The PRM shipped with this package: after `<check>` it works the step out anew, then judges."""

MATH_SHEPHERD = PRMFormat("math-shepherd", _math_shepherd_prompt, reserved=("ки",))
"""math-shepherd-mistral-7b-prm: every step is numbered and ends in the tag `ки`."""

RLHFLOW = PRMFormat("rlhflow", _rlhflow_prompt)
"""RLHFlow/Llama3.1-8B-PRM-*: the user shows a step per turn; the assistant has said `+` so far."""

_VERSAPRM_TAG = " \n\n\n\n"

VERSAPRM = PRMFormat("versaprm", _versaprm_prompt, reserved=(_VERSAPRM_TAG,))
"""VersaPRM-* and Llama-PRM800K (evaluation/prm_models/prm_llama.py of their repository): four
newlines after every step; P(`+`), which is the *second* of their two candidate tokens."""


def qwen_prm_prompt(conversation: Sequence[Message], steps: Sequence[str], tag: str) -> str:
    """What Qwen2.5-Math-PRM reads: its own system prompt, and *tag* after every step.

    It ends in the last tag: what followed could not change a verdict at a tag, and a server that
    judges the last token would judge that instead.
    """
    turns = [
        Message(role="system", content=QWEN_SYSTEM_PROMPT),
        *(message for message in conversation if message["role"] != "system"),
    ]
    asked = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in turns)
    return f"{asked}<|im_start|>assistant\n" + "".join(step + tag for step in steps)


def question_of(conversation: Sequence[Message]) -> str:
    """What was asked, for PRMs without a chat: everything but the system prompt."""
    return "\n\n".join(m["content"] for m in conversation if m["role"] != "system")


def refuse_reserved(steps: Sequence[str], reserved: Sequence[str], endpoint: Endpoint) -> None:
    """Refuse steps that would be read as something else than text, before anything is asked.

    Raises:
        RewardError: A step contains one of the PRM's own tags.
    """
    for number, step in enumerate(steps, start=1):
        if found := [tag for tag in reserved if tag in step]:
            raise endpoint.in_role("prm").error(
                RewardError,
                f"step {number} contains the PRM's own tag {found[0]!r}.",
                expected="steps without the tags of the PRM",
                hint='Its reward would mean nothing; on_prm_error="target" rewrites such steps.',
            )
