"""Measuring RSD against its rivals on equal terms.

Reading order: `questions` (what is asked), `datasets` and `rows` (where it comes from), `grading`
with `multiple_choice` and `paper_grader` (what counts as right), `grader` (many at once), `exam`
(both together), `open_ended` (without golds); `arms`, `baselines`, `beam`, `stepwise` with `oracle`
and `gsi`, `specreason`, `adaptive` and `catalog` (who answers); `harness` and `journal` (many
answers, none lost); `statistics`, `calibration_curve` and `summary` (what the numbers are worth);
`experiment`, `plots` and `report` (all of it at once). Choosing delta is `calibration`, by way of
`trials` (one pass), `offline` (every delta), `objectives` (which one) and `held_out` (was it true).
Grading and pictures need the extra `eval`.
"""

from rsd_graph.lab.grading.verdict import Verdict, grade
from rsd_graph.lab.grading.workers import Grader
from rsd_graph.lab.questions.datasets import load_dataset
from rsd_graph.lab.questions.question import Exclusion, Question, QuestionList

__all__ = ["Exclusion", "Grader", "Question", "QuestionList", "Verdict", "grade", "load_dataset"]
