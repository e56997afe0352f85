"""The questions of a command: from a file, a dataset or standard input."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from rsd_graph.cli.terminal.streams import typed, typing_of
from rsd_graph.embedded.scope import SCOPE, notice
from rsd_graph.lab.question import Question, QuestionList
from rsd_graph.lab.questions.datasets import load_dataset, questions_in, rows_at
from rsd_graph.lab.questions.files import Located, rows_of
from rsd_graph.lab.questions.rows import Read
from rsd_graph.stacks.settings import ROLES
from rsd_graph.stacks.text_file import decoded, lines_of

STDIN = "standard input"
"""What the questions that come from there are called."""


def questions_of(name: str | Path, read: Read, *, limit: int | None = None) -> QuestionList:
    """The questions of a dataset or file; `-` reads standard input.

    Raises:
        ConfigurationError: See `rsd_graph.lab.questions.datasets.load_dataset`.
    """
    if str(name) != "-":
        return load_dataset(name, limit=limit, read=read)
    text = decoded(typed("the questions, one a line"), STDIN)
    return questions_in(text, STDIN, limit=limit, read=read)


def rereadable(path: Path, held: ExitStack) -> tuple[str, Callable[[], Iterable[Located]]]:
    """The name of a source of questions, and what reads it from its beginning at each call.

    Args:
        path: A file, the name of a dataset, or `-`.
        held: Keeps what standard input said as long as it is read.

    Raises:
        InputError: There is no such file or dataset.
    """
    if str(path) != "-":
        return rows_at(path)[0], lambda: rows_at(path)[1]
    kept = Path(held.enter_context(tempfile.TemporaryDirectory())) / "questions"
    with kept.open("wb") as file:
        shutil.copyfileobj(typing_of("the questions, one a line"), file)
    return STDIN, lambda: rows_of(lines_of(kept, STDIN), STDIN)


def note_on_scope(questions: Iterable[Question], options: Mapping[str, object]) -> int:
    """Say on standard error how many of the questions the shipped models cannot know, if any.

    Returns:
        How many questions there are.
    """
    seats = [options.get(role, f"embedded:{role}") for role in ROLES]
    count = outside = 0
    for question in questions:
        count += 1
        outside += bool(notice(question.text, *seats))
    if outside:
        which = f"{outside} of {count} questions are" if count > 1 else "This one is"
        sys.stderr.write(f"note: {SCOPE} {which} no such story.\n")
    return count
