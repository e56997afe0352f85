"""What the paper reports (Liao et al., ICML 2025, Table 2 of arXiv version 1), to put ours beside.

Accuracies in percent on MATH500, GSM8K, GaoKao2023En, OlympiadBench, GPQA-Diamond and MMLU-STEM.
delta* was chosen on the test sets themselves and is left out. GPQA has 198 questions: its 95 %
intervals span some 13 points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsd_graph.lab.report.summary import ArmSummary

BOXED_PROMPT = r"Please reason step by step, and put your final answer within \boxed{}."
"""The paper's system prompt for all six sets, zero-shot."""

DATASETS = ("math500", "gsm8k", "gaokao2023en", "olympiadbench", "gpqa", "mmlu_stem")


@dataclass(frozen=True, slots=True)
class Published:
    """One row of the table: a method, its models, and an accuracy for each of `DATASETS`."""

    method: str
    target: str
    draft: str
    prm: str
    accuracies: Sequence[float]


ROWS = (
    Published("target only", "Qwen2.5-Math-7B", "-", "-", (83.2, 95.7, 66.8, 41.2, 32.8, 71.8)),
    Published("majority@16", "-", "1.5B", "-", (79.0, 88.9, 69.9, 45.5, 27.3, 65.9)),
    Published("best-of-16", "-", "1.5B", "7B", (82.2, 93.3, 69.4, 44.9, 27.3, 71.4)),
    Published("RSD 0.7", "Qwen2.5-Math-7B", "1.5B", "1.5B", (82.6, 94.5, 68.8, 39.6, 38.4, 71.4)),
    Published("RSD 0.7", "Qwen2.5-Math-7B", "1.5B", "7B", (84.6, 95.5, 68.3, 42.1, 33.8, 72.3)),
    Published("target only", "Qwen2.5-Math-72B", "-", "-", (85.6, 95.8, 73.0, 48.4, 42.4, 85.8)),
    Published("RSD 0.7", "Qwen2.5-Math-72B", "7B", "1.5B", (86.4, 96.4, 73.0, 49.8, 42.9, 84.7)),
    Published("RSD 0.7", "Qwen2.5-Math-72B", "7B", "7B", (88.0, 96.7, 74.0, 49.9, 42.9, 84.4)),
    Published("target only", "Llama-3.1-8B", "-", "-", (49.4, 83.9, 41.3, 14.5, 20.2, 39.1)),
    Published("RSD 0.7", "Llama-3.1-8B", "1B", "7B", (50.4, 85.4, 41.8, 18.1, 19.7, 36.2)),
)


def beside_published(
    summaries: Sequence[ArmSummary], models: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """Our accuracies above the paper's, a column for each of its datasets that we asked.

    Args:
        summaries: Of each arm, graded as in the paper.
        models: Names of our models, by role.

    Returns:
        Headers and rows; nothing if none of the datasets is among the paper's six.
    """
    ours = {s.name: {part.name: part.paper_accuracy for part in s.datasets} for s in summaries}
    asked = [name for name in DATASETS if any(name in accuracies for accuracies in ours.values())]
    if not asked:
        return []
    roles = ("target", "draft", "prm")
    here = [
        (f"here: {arm}", *(models[role] for role in roles), *(_cell(found.get(n)) for n in asked))
        for arm, found in ours.items()
    ]
    columns = [DATASETS.index(name) for name in asked]
    there = [
        (r.method, r.target, r.draft, r.prm, *(f"{r.accuracies[c]:.1f}" for c in columns))
        for r in ROWS
    ]
    return [("graded as in the paper", *roles, *asked), *here, *there]


def _cell(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{100 * accuracy:.1f}"
