"""What an experiment found: every answer of every arm, and the rows of its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rsd_graph.lab.journal import Record
from rsd_graph.lab.report.summary import ArmSummary, compare
from rsd_graph.lab.report.tables import headers, row
from rsd_graph.lab.statistics import PairedDifference


@dataclass(frozen=True, slots=True)
class Findings:
    """Each arm's answers by its name, and each arm's row."""

    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    summaries: Sequence[ArmSummary] = ()

    def __add__(self, more: Findings) -> Findings:
        """These, and then those of *more* arms."""
        return Findings({**self.records, **more.records}, [*self.summaries, *more.summaries])

    @property
    def baseline(self) -> ArmSummary | None:
        """The target alone, if it took part."""
        return next((row for row in self.summaries if row.name == "target only"), None)

    @property
    def is_open_ended(self) -> bool:
        """Whether answers have rewards instead of being right or wrong."""
        return any(summary.reward for summary in self.summaries)

    def versus_target(self, name: str) -> PairedDifference | None:
        """One arm's paired difference from the target alone."""
        if self.baseline is None or name == self.baseline.name:
            return None
        return compare(self.records[name], self.records[self.baseline.name])

    @property
    def headers(self) -> tuple[str, ...]:
        """Headers of the table."""
        priced = any(summary.money is not None for summary in self.summaries)
        return headers(priced=priced, open_ended=self.is_open_ended)

    def cells(self) -> list[tuple[str, ...]]:
        """The table."""
        open_ended = self.is_open_ended
        return [
            row(s, self.baseline, self.versus_target(s.name), open_ended=open_ended)
            for s in self.summaries
        ]

    def errors(self) -> dict[str, str]:
        """The first error of each arm that had one."""
        failed = {name: [r["error"] for r in rs if r["error"]] for name, rs in self.records.items()}
        return {name: errors[0] for name, errors in failed.items() if errors}

    def as_json(self) -> list[dict[str, object]]:
        """Every row as plain data."""
        rows = []
        for summary in self.summaries:
            versus = self.versus_target(summary.name)
            rows.append(summary.as_json() | {"vs_target": asdict(versus) if versus else None})
        return rows
