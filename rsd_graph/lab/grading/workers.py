"""Grade many answers in worker processes, where an answer that hangs can be killed."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Self

from rsd_graph.errors import CapabilityError, ConfigurationError
from rsd_graph.lab.grading.paper_grader import OFFICIAL_TIMEOUT_S, grade_like_paper
from rsd_graph.lab.grading.verdict import (
    TIMEOUT,
    Verdict,
    check_gradable,
    grade,
    grade_plainly,
)
from rsd_graph.lab.questions.question import Question

_WARM_UP = Question("warm-up", "1+1", "2", "math")
_WARM_ANSWER = r"\boxed{\frac{4}{2}}"  # not spelled like the gold, so that SymPy must be asked


class Pending:
    """An answer being graded: our verdict and the paper's come from separate tasks."""

    def __init__(self, ours: Future[tuple[bool, str | None, str]], paper: Future[bool]) -> None:
        self._ours, self._paper = ours, paper

    def result(self) -> Verdict:
        """Wait for the verdict; what hung or broke its process is wrong, and says so.

        Raises:
            CapabilityError: The grading processes cannot start.
        """
        from pebble import ProcessExpired

        try:
            correct, extracted, reason = self._ours.result()
        except TimeoutError:
            correct, extracted, reason = False, None, TIMEOUT
        except ProcessExpired as exc:
            correct, extracted, reason = False, None, f"the grading process died: {exc}"
        except BrokenProcessPool as exc:
            raise CapabilityError(
                f"The grading processes cannot start: {exc}.",
                expected="a main module that can be imported",
                hint='Start the script\'s work under: if __name__ == "__main__":',
            ) from exc
        try:
            paper = self._paper.result()
        except (TimeoutError, ProcessExpired):
            paper = False  # as the official evaluation does
        return Verdict(correct, paper, extracted, reason)

    async def aresult(self) -> Verdict:
        """Like `result`, without blocking the event loop; cancelling it frees the process."""
        both = asyncio.wrap_future(self._ours), asyncio.wrap_future(self._paper)
        await asyncio.gather(*both, return_exceptions=True)
        return self.result()


class Grader:
    """A pool of grading processes; use it as a context manager.

    The processes are spawned, so a script that makes a `Grader` at its top level needs the usual
    `if __name__ == "__main__":`. Threads and event loops of the caller are not copied into them.
    """

    def __init__(self, *, processes: int | None = None, timeout_s: float = 5.0) -> None:
        """Start nothing yet.

        Args:
            processes: How many; one for each core by default.
            timeout_s: Seconds one comparison may take before it is killed and graded wrong. The
                paper's verdict has the official limit of 3 s, or this one if it is shorter.

        Raises:
            ConfigurationError: *processes* or *timeout_s* is not positive.
        """
        self._processes = os.cpu_count() or 1 if processes is None else processes
        self._timeout_s = timeout_s
        if self._processes < 1 or timeout_s <= 0:
            raise ConfigurationError(
                f"Grader(processes={processes}, timeout_s={timeout_s}) cannot work.",
                expected="at least one process and a positive time limit",
            )
        self._pool: Any = None

    def __enter__(self) -> Self:
        """Start the pool.

        Raises:
            CapabilityError: The extra `eval` is not installed.
        """
        try:
            from pebble import ProcessPool
        except ImportError as exc:
            raise CapabilityError(
                "Grading in processes needs pebble.",
                hint="Install it with: pip install 'rsd-graph[eval]'",
            ) from exc
        grade(_WARM_UP, _WARM_ANSWER)  # a missing library is better reported here than by a worker
        self._pool = ProcessPool(
            max_workers=self._processes,
            initializer=_start_worker,
            context=multiprocessing.get_context("spawn"),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what is under way; after an error, kill it instead."""
        if error is None:
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()

    def submit(self, question: Question, answer: str) -> Pending:
        """Queue one answer.

        Raises:
            InputError: The question is open-ended.
        """
        check_gradable(question)
        paper_s = min(OFFICIAL_TIMEOUT_S, self._timeout_s)
        return Pending(
            self._schedule(grade_plainly, question, answer, self._timeout_s),
            self._schedule(grade_like_paper, question, answer, paper_s),
        )

    def grade(self, question: Question, answer: str) -> Verdict:
        """Grade one answer within the time limit."""
        return self.submit(question, answer).result()

    async def agrade(self, question: Question, answer: str) -> Verdict:
        """Grade one answer without blocking the event loop."""
        return await self.submit(question, answer).aresult()

    def grade_all(self, answers: Iterable[tuple[Question, str]]) -> list[Verdict]:
        """Grade many answers at once; verdicts come in the order of *answers*."""
        pending = [self.submit(question, answer) for question, answer in answers]
        return [item.result() for item in pending]

    def _schedule(
        self, function: Callable[..., Any], question: Question, answer: str, timeout_s: float
    ) -> Future[Any]:
        future: Future[Any] = self._pool.schedule(function, (question, answer), timeout=timeout_s)
        return future


def _start_worker() -> None:
    """Load SymPy before the first clock starts; leave Ctrl-C to the parent, who stops us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Die at once: a Python handler gets no turn inside a long integer power, and while pebble waits
    # for it the clocks of the other processes run on.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.disable()  # this process is ours alone, and math-verify logs the answers it parses
    grade(_WARM_UP, _WARM_ANSWER)
