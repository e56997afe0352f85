"""Open-ended questions: an answer's verdict is a number, and arms are compared by who wins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rsd_graph.answer.state import Message
from rsd_graph.errors import InputError
from rsd_graph.lab.journal import Record
from rsd_graph.lab.questions.question import Question
from rsd_graph.lab.statistics import Estimate, PairedDifference, compare_paired
from rsd_graph.providers.base import Prefix, RewardModel, check_scores
from rsd_graph.providers.scripted import candidate

HEADERS = ("reward [95 %]", "wins % [95 %] vs target (p)")
"""What the table has instead of accuracies."""


class OpenExam:
    """Open-ended questions: an answer's verdict is the reward an outcome reward model gives it.

    The paper's AlpacaEval experiment (Table 6) is such a one. What the judge costs is no arm's.
    """

    def __init__(self, questions: Sequence[Question], judge: RewardModel) -> None:
        self.questions = questions
        self._judge = judge

    async def grade(self, question: Question, text: str) -> dict[str, Any]:
        """The reward of the whole answer, asked for without any system prompt.

        Raises:
            ProviderError: The judge failed, or gave no reward that can be used.
        """
        prefix = Prefix([Message(role="user", content=question.text)])
        answer = candidate(text, "eos")
        scores = await self._judge.score(prefix, [answer])
        check_scores(scores, [answer], self._judge)
        return {"correct": None, "extracted": None, "reward": scores.rewards[0]}

    def extract(self, question: str, text: str) -> object:
        """Nothing.

        Raises:
            InputError: Always: open-ended answers boil down to nothing that could be counted.
        """
        raise InputError(
            "open-ended answers cannot vote.",
            expected="questions with a gold",
            hint="Compare with best-of-n instead of a majority.",
        )


def compare_rewards(first: Sequence[Record], second: Sequence[Record]) -> PairedDifference:
    """The share of questions the first arm wins less the share it loses, and the sign test.

    The sign test is McNemar's with "wins" for "only the first is right". An answer that failed
    loses against any.
    """
    pairs = [(_reward(a), _reward(b)) for a, b in zip(first, second, strict=True)]
    return compare_paired([a > b for a, b in pairs], [b > a for a, b in pairs])


def win_rate(found: PairedDifference) -> Estimate:
    """The first arm's share of wins, ties counted half."""
    ahead = found.difference
    return Estimate((1 + ahead.value) / 2, (1 + ahead.low) / 2, (1 + ahead.high) / 2)


def _reward(record: Record) -> float:
    return float(record.get("reward", -math.inf))
