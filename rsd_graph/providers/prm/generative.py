"""PRMs that write: language models asked about a step, and verifiers that think first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from rsd_graph.answer.state import Message
from rsd_graph.providers.prm.format import PRMFormat, Render, Thinking, question_of

_JUDGE = (
    "Evaluate the last reasoning step solely based on factual correctness and logical validity. "
    "Ignore style, phrasing, or overall usefulness—only judge whether the step is objectively "
    "correct and logically follows from prior steps. Assign a score from 0 to 9."
)
_THINKPRM = """\
You are given a math problem and a proposed step-by-step solution:

[Math Problem]

{question}

[Solution]

{solution}

Review and critique each step in the proposed solution to determine whether each step is correct. \
If the solution is incomplete, only verify the provided steps."""
_GENPRM = (
    "You are a math teacher. Your task is to review and critique the paragraphs in solution "
    "step by step."
)


async def _judge_prompt(
    render: Render, conversation: Sequence[Message], steps: Sequence[str]
) -> str:
    shown = "".join(f"{step}\n\n" for step in steps)
    turns = [
        *conversation,
        Message(role="assistant", content=shown),
        Message(role="user", content=_JUDGE),
    ]
    return await render(turns) + "I think the quality score is: "


async def _doubt_prompt(
    render: Render, conversation: Sequence[Message], steps: Sequence[str]
) -> str:
    return await render(conversation) + "".join(f"{step}\n\n" for step in steps)


async def _thinkprm_prompt(
    render: Render, conversation: Sequence[Message], steps: Sequence[str]
) -> str:
    solution = "\n".join(f"Step {number}: {step}" for number, step in enumerate(steps, start=1))
    asked = _THINKPRM.format(question=question_of(conversation), solution=solution)
    return await render([Message(role="user", content=asked)]) + "\nLet's verify step by step:"


async def _genprm_prompt(
    render: Render, conversation: Sequence[Message], steps: Sequence[str]
) -> str:
    first = f"Question: {question_of(conversation)}\n\n{steps[0]}"
    turns = [Message(role="system", content=_GENPRM), Message(role="user", content=first)]
    for step in steps[1:]:
        turns.append(Message(role="assistant", content=""))
        turns.append(Message(role="user", content=step))
    opening = f"<analyze>\nLet's analyze the Paragraph {len(steps)} step by step: "
    return await render(turns) + opening


JUDGE = PRMFormat(
    "judge", _judge_prompt, grades=MappingProxyType({str(digit): digit for digit in range(10)})
)
"""Any chat model as the judge of a step, as in SpecReason (spec_reason.py of its repository): one
digit from 0 to 9, read as the expectation over the digits' probabilities. SpecReason accepts from 7
on; its own opening has `<think>` in front, which reasoning models' templates mostly write."""

JUDGE_GREEDY = replace(JUDGE, name="judge-greedy", greedy=True)
"""The same, read as the likeliest digit (SpecReason's default)."""

DOUBT = PRMFormat(
    "doubt", _doubt_prompt, doubts=("wait", "hmm", "hold", "actually", "no", "oops", "but", "check")
)
"""A thinking model as the judge of a step: 1 - P(its next step would begin with doubt), one token
after the step, without a prompt. ConfSpec (arXiv 2602.18447) has the draft judge its own step, and
the target where the draft is unsure; Speculative Thinking (arXiv 2504.12329) hands over at such
words once they are written. Steps known to belong to the answer stand unasked: nobody doubts there.
"""

THINKPRM = PRMFormat(
    "thinkprm",
    _thinkprm_prompt,
    good="yes",
    bad="no",
    thinking=Thinking(
        ("Is the solution correct?", "</think>"), verdict="\nIs the solution correct? "
    ),
    reserved=("</think>", "Is the solution correct?"),
)
"""ThinkPRM-* (prm/thinkprm_api.py and utils/helper.py of its repository): it verifies every step in
words, here greedily, then says whether the solution so far is correct."""

GENPRM = PRMFormat(
    "genprm",
    _genprm_prompt,
    good="Yes",
    bad="No",
    max_tokens=4,
    thinking=Thinking(("</analyze>\n",), verdict="</analyze>\n<output>\n**Judgement**: $\\boxed"),
    reserved=("</analyze>", "<output>"),
)
"""GenPRM-* (prm_evaluation/infer_module of its repository) in the form without `<verify>`: that
part is Python the model writes and the authors' code executes, which this package never does. The
critiques of earlier steps are left empty."""
