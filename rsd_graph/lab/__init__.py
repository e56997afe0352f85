"""Experiments with RSD and its rivals on equal terms.

`questions` come from somewhere, `grading` says what is right, an `exam` is both. `arms` answer,
each from the same `setup`. The `runner` asks every arm every question of an `experiment`, a
`journal` keeps the answers, `statistics` says what they are worth, and `report` shows it.
`calibration` chooses delta. `latency` simulates servers to time the loop. Nothing below the command
line imports this room; grading and pictures need the extra `eval`.
"""

from rsd_graph.lab.grading.verdict import Verdict, grade
from rsd_graph.lab.grading.workers import Grader
from rsd_graph.lab.question import Exclusion, Question, QuestionList
from rsd_graph.lab.questions.datasets import load_dataset

__all__ = ["Exclusion", "Grader", "Question", "QuestionList", "Verdict", "grade", "load_dataset"]
