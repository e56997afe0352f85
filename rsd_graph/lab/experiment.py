"""One evaluation from its settings to its numbers."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rsd_graph import __version__
from rsd_graph.answer.ledger import PerRole
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.options import names_of
from rsd_graph.answer.prices import Prices
from rsd_graph.chat_models.naming import model_name
from rsd_graph.embedded.card import known_parameters
from rsd_graph.lab.arms.arm import Arm, Stack
from rsd_graph.lab.arms.catalog import Kit, named_arm
from rsd_graph.lab.journal import Journal, Record
from rsd_graph.lab.questions.exam import Exam
from rsd_graph.lab.questions.shipped import embedded_stack
from rsd_graph.lab.report.summary import ArmSummary, compare, summarise
from rsd_graph.lab.report.tables import headers, row
from rsd_graph.lab.runner import Progress, evaluate
from rsd_graph.lab.statistics import PairedDifference
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.registry import reward_model, step_model
from rsd_graph.stacks.calibrated import calibrated_delta

SHIPPED = {role: f"embedded:{role}" for role in ("draft", "target", "prm")}
"""The models that come with the package, as endpoint strings."""

_CONTEXT = 1024


@dataclass(frozen=True, slots=True)
class Models:
    """Three models, and how they are asked.

    Args:
        settings: As `load_stack` returns them; the shipped models by default.
        system: System prompt of every question.
    """

    settings: Mapping[str, Any]
    system: str | None = None

    @property
    def parameters(self) -> PerRole | None:
        """Parameter counts for FLOPs, if known."""
        counts = self.settings.get("parameters") or known_parameters(**self.seats)
        return PerRole(**counts) if counts else None

    @property
    def prices(self) -> Prices | None:
        """Money per million tokens, if known."""
        return self.settings.get("prices")

    @property
    def delta(self) -> float:
        """The threshold, read from its calibration file if it stands in one.

        Raises:
            ConfigurationError: It is no calibration file, or another PRM's.
        """
        return calibrated_delta(self.settings.get("delta", 0.7), self.seats["prm"])

    @property
    def are_shipped(self) -> bool:
        """Whether these are the three models that come with the package."""
        return self.seats == SHIPPED

    def stack(self, number: int) -> Stack:
        """The stack for arm *number*; shipped models on servers of its own.

        On a shared server an arm would find another's work in the prefix cache. Endpoints you
        serve are shared by all arms: to compare full costs there, run one arm at a time.
        """
        early = {name: self.settings[name] for name in names_of("waiting") if name in self.settings}
        if self.are_shipped:
            temperature = float(self.settings.get("temperature", 0.0))
            shipped = embedded_stack(temperature, _CONTEXT - number, self.system)
            return replace(shipped, **early)
        return Stack(
            draft=step_model(self.seats["draft"], "draft"),
            target=step_model(self.seats["target"], "target"),
            prm=reward_model(self.seats["prm"]),
            sampling=_taken(Sampling, self.settings),
            limits=_taken(Limits, self.settings),
            separator=self.settings.get("step_separator", "\n\n"),
            system=self.system,
            **early,
        )

    def arms(self, names: Sequence[str], exam: Exam) -> list[Arm]:
        """Arms by name (see `catalog`)."""
        return [
            named_arm(name.strip(), Kit(self.stack(number), exam.extract, self.delta))
            for number, name in enumerate(names)
        ]

    @property
    def seats(self) -> dict[str, Any]:
        """Endpoint strings or objects, by role."""
        return {role: self.settings.get(role, spec) for role, spec in SHIPPED.items()}


def _taken(kind: Any, settings: Mapping[str, Any]) -> Any:
    """A *kind* with the fields that *settings* has values for."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in settings.items() if name in names})


@dataclass(frozen=True, slots=True)
class Findings:
    """What was measured: each arm's answers and its row."""

    arms: Sequence[Arm]
    records: Mapping[str, Sequence[Record]]
    summaries: Sequence[ArmSummary]

    @property
    def baseline(self) -> ArmSummary | None:
        """The target alone, if it took part."""
        return next((row for row in self.summaries if row.name == "target only"), None)

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

    @property
    def is_open_ended(self) -> bool:
        """Whether answers have rewards instead of being right or wrong."""
        return any(summary.reward for summary in self.summaries)

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

    def as_json(self) -> list[dict[str, Any]]:
        """Every row as plain data."""
        rows = []
        for summary in self.summaries:
            versus = self.versus_target(summary.name)
            rows.append(summary.as_json() | {"vs_target": asdict(versus) if versus else None})
        return rows


async def measure(
    arms: Sequence[Arm],
    exam: Exam,
    journal: Journal,
    parameters: PerRole | None,
    *,
    prices: Prices | None = None,
    concurrency: int = 8,
    seed: int = 0,
    progress: Progress = lambda record: None,
) -> Findings:
    """Ask every question of every arm, one arm after the other, and sum up."""
    questions = exam.questions
    records = {
        arm.name: await evaluate(
            [arm],
            questions,
            journal,
            exam.grade,
            concurrency=concurrency,
            seed=seed,
            progress=progress,
        )
        for arm in arms
    }
    rows = [summarise(arm, records[arm.name], parameters, prices) for arm in arms]
    return Findings(arms, records, rows)


def decisive(models: Models, dataset: str, seed: int, judge: str | None = None) -> dict[str, Any]:
    """Everything that decides a record, beside the question and the arm: a journal's identity.

    Keys in endpoint strings are left out.
    """
    accounting = ("parameters", "prices")
    said = {name: value for name, value in models.settings.items() if name not in accounting}
    seats = {role: model_name(spec) for role, spec in models.seats.items()}
    return {
        "dataset": dataset,
        "temperature": 0.0,
        **said,
        "delta": models.delta,
        **seats,
        "system": models.system,
        "seed": seed,
        "version": __version__,
        **({"judge": model_name(judge)} if judge else {}),
    }


def environment() -> dict[str, str]:
    """Versions and machine, for whoever compares numbers later."""
    return {
        "rsd-graph": __version__,
        "engine": f"llama.cpp (xllamacpp {_installed('xllamacpp')})",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {platform.system()}",
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
