"""What an evaluation asks: one question, and a list that remembers what it left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["math", "choice", "open"]

Extract = Callable[[str, str], object]
"""(question, answer) -> what the answer boils down to, for votes; `None` if it states nothing."""

LETTERS = "ABCDEFGHJK"
"""Names of a question's options, as printed on tests: I is skipped, it looks like a one."""


@dataclass(frozen=True)
class Question:
    """One question and what counts as its right answer.

    Attributes:
        id: Unique within its source and stable between runs, such as `"gsm8k/17"`.
        text: What the model is asked, options included.
        gold: The right answer; the letter for kind `"choice"`; `None` only for kind `"open"`.
        kind: How it is graded: mathematics, a letter, or by an outcome reward model only.
        level: Difficulty as the source states it, an integer that grows; `None` if it does not.
        subject: Topic as the source states it.
        source: Name of the dataset, or of the file it came from.
        choices: The options in the order shown, if the source lists them apart from the text.
        unit: Unit the question asks for, which an answer may repeat (OlympiadBench).
        paper_gold: The gold the paper's evaluation starts from, where it is not `gold`.
    """

    id: str
    text: str
    gold: str | None
    kind: Kind
    level: int | None = None
    subject: str | None = None
    source: str = ""
    choices: tuple[str, ...] = ()
    unit: str | None = None
    paper_gold: str | None = None


@dataclass(frozen=True)
class Exclusion:
    """A row that cannot be graded, and why; reports list them beside the accuracy."""

    id: str
    reason: str


class QuestionList(list[Question]):
    """A plain list of questions that also knows which rows were left out and why."""

    def __init__(
        self, questions: Iterable[Question] = (), excluded: Iterable[Exclusion] = ()
    ) -> None:
        super().__init__(questions)
        self.excluded = tuple(excluded)
