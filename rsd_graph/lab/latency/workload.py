"""What is answered: made-up answers of the paper's shape, the same for every arm.

The paper's worked example: 18 steps and 396 draft tokens an answer, so 22 a step. Lengths are
lognormal (heavy-tailed); rejections are fixed by (question, step). One word is one token. Every
word is a pure function of the seed, the question and the place in the answer, so an answer reads
the same whoever asks for it, when, and how far ahead.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Literal

from rsd_graph.answer.state import Message

Author = Literal["draft", "target"]

SEPARATOR = "\n\n"
EOS = "<eos>"
_TOKEN = re.compile(r"\n\n|<[^<>\s]+>|[^\s<]+|<")
_QUESTION = re.compile(r"Question (\d+):")


@dataclass(frozen=True, slots=True)
class Workload:
    """Questions 0, 1, 2, … and their answers.

    Attributes:
        rejects: Share of draft steps the PRM rejects (reward 0.1; the others get 0.9).
        steps: Mean steps of an answer.
        step_tokens: Mean tokens of a step, separator included.
        question_tokens: Mean tokens of a question.
        steps_spread: Sigma of the lognormal of steps; 0 gives every answer *steps*.
        tokens_spread: Sigma of the lognormals of tokens.
        begun: So many first questions are what is left of answers in the midst of being answered,
            as one finds them in a server that has been at work for long.
    """

    rejects: float = 0.15
    seed: int = 0
    steps: float = 18
    step_tokens: float = 22
    question_tokens: float = 120
    steps_spread: float = 0.6
    tokens_spread: float = 0.7
    max_steps: int = 100
    begun: int = 0

    def conversation(self, question: int) -> list[Message]:
        """What is asked."""
        count = self._lognormal(self.question_tokens, self.tokens_spread, question)
        words = " ".join(f"q{question}.{word}" for word in range(max(1, min(1000, count))))
        return [Message(role="user", content=f"Question {question}: {words}")]

    def length(self, question: int) -> int:
        """Steps of the answer, or those that are left of it."""
        if question >= self.begun:
            count = self._lognormal(self.steps, self.steps_spread, question, "steps")
            return max(1, min(self.max_steps, count))
        # Longer answers are met more often, and somewhere between their two ends.
        met = self.steps * math.exp(self.steps_spread**2)
        count = self._lognormal(met, self.steps_spread, question, "steps")
        left = self._random("left", question).random()
        return max(1, math.ceil(left * min(self.max_steps, count)))

    def step(self, author: Author, question: int, index: int) -> list[str]:
        """The tokens of one step, the separator or the end of the answer included."""
        count = self._lognormal(self.step_tokens, self.tokens_spread, author, question, index)
        words = [f"{author}{question}.{index}.{word}" for word in range(max(2, count) - 1)]
        last = index + 1 == self.length(question)
        return [*words, EOS if last else SEPARATOR]

    def rejected(self, question: int, index: int) -> bool:
        """The PRM's verdict on the draft of a step; a higher share rejects these and more."""
        return self._random("reject", question, index).random() < self.rejects

    def mean_length(self, sample: int = 2000) -> float:
        """Steps of an answer, on average over *sample* whole ones."""
        return fmean(self.length(question) for question in range(self.begun, self.begun + sample))

    def _lognormal(self, mean: float, sigma: float, *key: object) -> int:
        value = self._random("length", *key).lognormvariate(math.log(mean) - sigma**2 / 2, sigma)
        return round(value)

    def _random(self, *key: object) -> Random:
        return Random(f"{self.seed}/{key}")


def tokens_of(text: str) -> list[str]:
    """The simulated tokenizer: words, separators and tags."""
    return _TOKEN.findall(text)


def render(conversation: list[Message]) -> str:
    """The simulated chat template; the answer follows it."""
    turns = "".join(f"<{message['role']}> {message['content']} " for message in conversation)
    return turns + "<assistant> "


def place_of(prompt: str) -> tuple[int, int]:
    """Which question a prompt asks, and which step comes next in it."""
    asked, _, answer = prompt.partition("<assistant> ")
    match = _QUESTION.search(asked)
    return (int(match[1]) if match else 0), answer.count(SEPARATOR)
