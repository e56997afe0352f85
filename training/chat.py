"""How problems and steps become text: one ChatML layout, shared by all three models."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from rsd_graph.embedded.task import Problem

TURN_START, TURN_END, PADDING = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
SEPARATOR = "\n\n"
CHECK, GOOD, BAD = "<check>", "<+>", "<->"
THINK, THOUGHT, WAIT = "<think>", "</think>", "Wait, "
RECHECK, RIGHT, WRONG = "Check: ", " right.", " wrong."

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


THINKING_TEMPLATE = CHAT_TEMPLATE.replace("assistant\\n", "assistant\\n<think>\\n")
"""Opens the thinking, as the templates of models do that always think."""


def token_id(tokenizer: Tokenizer, text: str) -> int:
    """Return the id of a token that must exist."""
    number: int | None = tokenizer.token_to_id(text)
    if number is None:
        msg = f"the tokenizer has no token {text!r}; run training.train_tokenizer again"
        raise LookupError(msg)
    return number


def render_question(question: str) -> str:
    """Open the assistant's turn after *question*, as the chat template does."""
    return f"{TURN_START}user\n{question}{TURN_END}\n{TURN_START}assistant\n"


def render_prefix(question: str, steps: Sequence[str]) -> str:
    """Continue the assistant's turn after *steps*, each closed by the separator."""
    return render_question(question) + "".join(step + SEPARATOR for step in steps)


def render_thinking(question: str) -> str:
    """Open the thinking, as `THINKING_TEMPLATE` does."""
    return f"{render_question(question)}{THINK}\n"


def render_solution(problem: Problem) -> str:
    """Spell out what draft and target learn to write."""
    return SEPARATOR.join(problem.steps) + TURN_END


def render_check(question: str, settled: Sequence[str], candidate: str) -> str:
    """Ask the reward model about *candidate*; it answers with its working and a verdict."""
    return render_prefix(question, [*settled, candidate]) + CHECK
