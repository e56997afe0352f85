"""Prometheus metrics of one server, in a registry of its own. No prompt, key or name of a user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from langchain_core.messages import AIMessageChunk
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rsd_graph.answer.ledger import Ledger
from rsd_graph.answer.state import Step
from rsd_graph.answer.steps import phase_of
from rsd_graph.errors import Role, RSDError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REWARDS = [round(0.1 * tenth, 1) for tenth in range(11)]
_ROLES: tuple[Role, ...] = ("draft", "target", "prm")


class Metrics:
    """What the server counts; each method is one thing that happens."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "rsd_requests", "Requests, by answer", ["stack", "code"], registry=registry
        )
        self._in_flight = Gauge(
            "rsd_answers_in_flight", "Answers worked on", ["stack"], registry=registry
        )
        self.queue_wait = Histogram(
            "rsd_queue_wait_seconds", "Waiting for a seat", registry=registry
        )
        self._answer_seconds = Histogram(
            "rsd_answer_seconds", "From request to last step", ["stack"], registry=registry
        )
        self.first_step_seconds = Histogram(
            "rsd_time_to_first_step_seconds", "Until the first step", ["stack"], registry=registry
        )
        self._steps = Counter("rsd_steps", "Settled steps", ["stack", "source"], registry=registry)
        self._drafts = Counter(
            "rsd_drafts", "Drafted steps, by verdict", ["stack", "verdict"], registry=registry
        )
        self._reward = Histogram(
            "rsd_step_reward", "Rewards", ["stack"], buckets=_REWARDS, registry=registry
        )
        self._tokens = Counter(
            "rsd_tokens", "Tokens the servers counted", ["stack", "role", "kind"], registry=registry
        )
        self._errors = Counter(
            "rsd_upstream_errors", "Failed answers", ["stack", "role", "error"], registry=registry
        )
        self._prm_failures = Counter(
            "rsd_prm_failures", "Scorings that failed", ["stack"], registry=registry
        )
        self._cancelled = Counter(
            "rsd_cancelled_answers", "Answers nobody waited for", ["stack"], registry=registry
        )

    def exposition(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)

    @contextmanager
    def answering(self, stack: str) -> Iterator[Counted]:
        """Around one answer: it is in flight, and how it ends is counted."""
        with self._in_flight.labels(stack).track_inprogress():
            counted = Counted(self, stack)
            try:
                yield counted
            except RSDError as error:
                self._failed(stack, error)
                raise
            except (asyncio.CancelledError, GeneratorExit):
                self._cancelled.labels(stack).inc()
                raise
            self._answer_seconds.labels(stack).observe(counted.elapsed)

    def _failed(self, stack: str, error: RSDError) -> None:
        self._errors.labels(stack, error.role or "", type(error).__name__).inc()

    def settled(self, stack: str, steps: Iterable[Step]) -> None:
        """Steps of a finished answer."""
        for step in steps:
            self._steps.labels(stack, step["source"]).inc()
            verdict = "accepted" if step["accepted"] else "rejected"
            self._drafts.labels(stack, verdict).inc()
            if step["reward"] is not None:
                self._reward.labels(stack).observe(step["reward"])
            if phase_of(step) == "thinking":
                self._tokens.labels(stack, step["source"], "thinking").inc(step["tokens"])

    def spent(self, stack: str, ledger: Ledger) -> None:
        """What an answer cost, finished or not."""
        for role in _ROLES:
            used = ledger[role]
            kinds = {
                "prompt": used["prompt_tokens"],
                "cached": used["cached_tokens"],
                "completion": used["completion_tokens"],
            }
            for kind, tokens in kinds.items():
                self._tokens.labels(stack, role, kind).inc(tokens)
        wasted = ledger["wasted_draft_tokens"] + ledger["cancelled_draft_tokens"]
        self._tokens.labels(stack, "draft", "discarded").inc(ledger["discarded_draft_tokens"])
        self._tokens.labels(stack, "draft", "wasted").inc(wasted)
        self._tokens.labels(stack, "target", "wasted").inc(ledger["wasted_target_tokens"])
        self._prm_failures.labels(stack).inc(ledger["prm_failures"])


class Counted:
    """One answer, as the metrics see it."""

    def __init__(self, metrics: Metrics, stack: str) -> None:
        self._metrics = metrics
        self._stack = stack
        self._started = time.perf_counter()
        self._steps = 0

    @property
    def elapsed(self) -> float:
        """Seconds since it was asked for."""
        return time.perf_counter() - self._started

    def saw(self, chunk: AIMessageChunk) -> None:
        """A chunk was written; the last one has the verdict on every step."""
        if not self._steps:
            self._metrics.first_step_seconds.labels(self._stack).observe(self.elapsed)
        self._steps += 1
        if told := chunk.response_metadata.get("rsd"):
            self._metrics.settled(self._stack, told["steps"])

    def spent(self, ledger: Ledger) -> None:
        """The answer has ended, finished or not, and cost this."""
        self._metrics.spent(self._stack, ledger)
