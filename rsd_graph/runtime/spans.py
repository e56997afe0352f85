"""OpenTelemetry's spans of answers and steps; `rsd_graph.providers.telemetry` has the calls'.

invoke_workflow rsd
  rsd.step                  its reward is an event, its early calls are links
    text_completion small
    rsd.score judge
    text_completion large
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rsd_graph.answer.ledger import Entry, Ledger, acceptance_rate
from rsd_graph.answer.state import RSDState, Step, Update
from rsd_graph.early.runs import Runs
from rsd_graph.errors import Role
from rsd_graph.providers.telemetry import Attributes, Lap, failed, lap_at_work, tracer_in_use

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer


class AnswerSpans:
    """The spans of a graph's answers in progress; none while nobody traces."""

    def __init__(self) -> None:
        self._answers: Runs[_Answer] = Runs(drop=_ended)

    @contextmanager
    def node(self, name: str, state: RSDState) -> Iterator[None]:
        """Around the work of one node: what it calls is part of its step."""
        tracer = tracer_in_use()
        if tracer is None:
            yield
            return
        answer = self._answers.find(state["run"]) or _Answer(tracer)
        self._answers.keep(state["run"], answer)
        with answer.at(name, len(state["steps"])):
            yield

    def settled(self, state: RSDState, update: Update, ledger: Ledger) -> None:
        """A node has returned *update*."""
        answer = self._answers.find(state["run"])
        if answer is not None:
            answer.settled(update.get("steps") or [], len(state["steps"]))
            answer.told(ledger, update.get("finish_reason"))

    def end(self, run: str, error: BaseException | None = None) -> None:
        """End a run's spans; a second call finds none."""
        answer = self._answers.take(run)
        if answer is not None:
            answer.end(error)


class _Answer:
    """The span of one answer, and that of the step it is at."""

    def __init__(self, tracer: Tracer) -> None:
        told: Attributes = {"gen_ai.operation.name": "invoke_workflow"}
        self._tracer = tracer
        self._span = tracer.start_span("invoke_workflow rsd", attributes=told)
        self._step: Span | None = None
        self._began = 0
        self._early: dict[tuple[Role, int], SpanContext] = {}

    @contextmanager
    def at(self, node: str, first: int) -> Iterator[None]:
        """Work on the steps from *first*."""
        from opentelemetry.trace import use_span

        if self._step is None:
            self._began = time.time_ns()
            self._step = self._started(first)
        token = lap_at_work.set(Lap(node, first, self._early))
        try:
            with use_span(self._step, record_exception=False, set_status_on_exception=False):
                yield
        finally:
            lap_at_work.reset(token)

    def _started(self, index: int) -> Span:
        from opentelemetry.trace import set_span_in_context

        return self._tracer.start_span(
            "rsd.step",
            set_span_in_context(self._span),
            attributes={"rsd.step.index": index},
            start_time=self._began,
        )

    def settled(self, steps: list[Step], first: int) -> None:
        """These steps are decided: each has a span, and with look-ahead the same beginning."""
        for index, step in enumerate(steps, first):
            span = self._step or self._started(index)
            self._step = None
            span.set_attributes(_facts(step))
            if step["reward"] is not None:
                span.add_event("gen_ai.evaluation.result", _verdict(step, step["reward"]))
            for role in ("draft", "target"):
                early = self._early.pop((role, index), None)
                if early is not None and role == step["source"]:
                    span.add_link(early, {"rsd.role": role})
            span.end()

    def told(self, ledger: Ledger, finish_reason: str | None) -> None:
        """Where the answer stands. Its tokens are its calls', and have other names here."""
        told: Attributes = {
            "rsd.accepted_steps": ledger["accepted_steps"],
            "rsd.target_steps": ledger["target_steps"],
            "rsd.wasted_draft_tokens": ledger["wasted_draft_tokens"],
            "rsd.wasted_target_tokens": ledger["wasted_target_tokens"],
        }
        rate = acceptance_rate(ledger)
        told |= {} if rate is None else {"rsd.acceptance_rate": rate}
        told |= {"rsd.finish_reason": finish_reason} if finish_reason else {}
        self._span.set_attributes(told)

    def end(self, error: BaseException | None) -> None:
        """Nothing follows."""
        for span in filter(None, (self._step, self._span)):
            if error is not None:
                failed(span, error)
            span.end()


def _ended(answer: _Answer) -> Entry:
    """End the spans of an answer that must make room; that costs nothing."""
    answer.end(None)
    return {}


def _facts(step: Step) -> Attributes:
    return {
        "rsd.step.source": step["source"],
        "rsd.step.accepted": step["accepted"],
        "rsd.step.ended": step["ended"],
        "rsd.step.tokens": step["tokens"],
    }


def _verdict(step: Step, reward: float) -> Attributes:
    return {
        "gen_ai.evaluation.name": "prm_reward",
        "gen_ai.evaluation.score.value": reward,
        "gen_ai.evaluation.score.label": "accepted" if step["accepted"] else "rejected",
    }
