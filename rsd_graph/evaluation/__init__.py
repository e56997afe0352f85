"""Datasets, grading and statistics for measuring RSD against its rivals.

Reading order: `questions` (what is asked), `datasets` and `rows` (where it comes from), `grading`
with `multiple_choice` and `paper_grader` (what counts as right), `grader` (many at once),
`statistics` and `calibration_curve` (what the numbers are worth). Needs the extra `eval`.
"""

from rsd_graph.evaluation.datasets import load_dataset
from rsd_graph.evaluation.grader import Grader
from rsd_graph.evaluation.grading import Verdict, grade
from rsd_graph.evaluation.questions import Exclusion, Question, QuestionList

__all__ = ["Exclusion", "Grader", "Question", "QuestionList", "Verdict", "grade", "load_dataset"]
