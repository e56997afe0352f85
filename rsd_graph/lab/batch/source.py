"""The questions of a batch, read from their file as they are asked, and read again to check it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from rsd_graph.errors import InputError
from rsd_graph.lab.batch.shard import Shard, digest
from rsd_graph.lab.question import Question
from rsd_graph.lab.questions.files import Located
from rsd_graph.lab.questions.rows import Row, read_prompt, row_id

ReadRow = Callable[[Row, str, int, str], Question]
"""(row, name of the source, number of the row, its place for people) -> its question."""


def read_question(row: Row, source: str, index: int, where: str) -> Question:
    """A row as an open-ended question; see `read_prompt`."""
    return read_prompt(row, source=source, index=index, where=where)


@dataclass(frozen=True, slots=True)
class Source:
    """Questions that can be read any number of times.

    Attributes:
        name: Of the file; ids begin with it.
        rows: Begins to read the file anew.
        read: How a row becomes a question.
        limit: Only the first so many rows.
        shard: Only the questions of this part.
    """

    name: str
    rows: Callable[[], Iterable[Located]]
    read: ReadRow = read_question
    limit: int | None = None
    shard: Shard = field(default_factory=Shard)

    def __iter__(self) -> Iterator[Question]:
        """The questions of this shard, in the order of the file.

        A question's shard is that of its row's id, or of its text if the row has none.

        Raises:
            InputError: A row that cannot be read; the message names its line.
        """
        for question, key in self._all():
            if self.shard.holds(key):
                yield question

    def checked(self) -> Iterator[Question]:
        """The same questions, while all rows of the file are checked.

        Raises:
            InputError: A row that cannot be read, an id that occurs twice, or no question at all.
        """
        seen = set[int]()
        for question, key in self._all():
            name = digest(question.id)
            if name in seen:
                raise InputError(
                    f"The id {question.id!r} occurs twice.",
                    expected="one row per id, because results are joined by it",
                    hint="Remove the repeated rows or their id field.",
                )
            seen.add(name)
            if self.shard.holds(key):
                yield question
        if not seen:
            raise InputError(f"There is no question in {self.name}.", expected="at least one")

    def _all(self) -> Iterator[tuple[Question, str]]:
        for index, (where, row) in enumerate(islice(self.rows(), self.limit)):
            question = self.read(row, self.name, index, where)
            stated = row_id(row)
            yield question, question.text if stated is None else str(stated)
