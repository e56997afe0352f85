"""Grade many answers in worker processes, where an answer that hangs can be killed."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from rsd_graph.errors import CapabilityError, ConfigurationError, RSDError
from rsd_graph.lab.grading.paper_grader import OFFICIAL_TIMEOUT_S, grade_like_paper
from rsd_graph.lab.grading.verdict import (
    TIMEOUT,
    Verdict,
    check_gradable,
    grade,
    grade_plainly,
)
from rsd_graph.lab.question import Question

if TYPE_CHECKING:
    from pebble import ProcessPool

_WARM_UP = Question("warm-up", "1+1", "2", "math")
_WARM_ANSWER = r"\boxed{\frac{4}{2}}"  # not spelled like the gold, so that SymPy must be asked


_MOST_POOLS = 8
"""Pebble gives up a pool when one of its processes dies idle: the next takes its place."""

Plain = tuple[bool, str | None, str]
"""Our verdict alone; see `grade_plainly`."""


_LOOK_S = 1.0
"""How often somebody looks whether the pool is still there."""


class Tasks:
    """Our verdict on an answer and the paper's, in the pool that is to find them."""

    def __init__(self, pool: ProcessPool, ours: Future[Plain], paper: Future[bool]) -> None:
        self.ours, self.paper = ours, paper
        self._pool = pool
        self._is_broken = False

    def both(self) -> tuple[Future[Any], Future[Any]]:
        """One after the other."""
        return self.ours, self.paper

    def wait(self) -> None:
        """Until both have ended, in whatever way."""
        while wait(self.both(), timeout=_LOOK_S).not_done:
            self.look()

    def look(self) -> None:
        """Give up what a broken pool has lost, the second time it is seen to be broken.

        Pebble ends the tasks it knows when it breaks; one that it was just taking from its queue
        would never end.
        """
        if self._is_broken:
            for task in self.both():
                with suppress(InvalidStateError):  # it has ended
                    task.set_exception(BrokenProcessPool("it was lost with its process"))
        self._is_broken = not self._pool.active


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
        self._pool: ProcessPool | None = None
        self._pools = 0

    def __enter__(self) -> Self:
        """Start the pool.

        Raises:
            CapabilityError: The extra `eval` is not installed.
        """
        try:
            import pebble  # noqa: F401
        except ImportError as exc:
            raise CapabilityError(
                "Grading in processes needs pebble.",
                hint="Install it with: pip install 'rsd-graph[eval]'",
            ) from exc
        grade(_WARM_UP, _WARM_ANSWER)  # a missing library is better reported here than by a worker
        self._pool = self._new_pool()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for what is under way; after an error, kill it instead."""
        pool = self._running()
        pool.close() if kind is None else pool.stop()  # type: ignore[no-untyped-call]
        pool.join()

    async def agrade(self, question: Question, answer: str) -> Verdict:
        """Grade one answer without blocking the event loop; cancelling it frees the process.

        Raises:
            InputError: The question is open-ended.
            CapabilityError: The grading processes cannot start.
        """
        tasks = await _done(self._submit(question, answer))
        if _was_killed(tasks):
            tasks = await _done(self._submit(question, answer))
        return _verdict(tasks)

    def grade_all(self, answers: Iterable[tuple[Question, str]]) -> list[Verdict]:
        """Grade many answers at once; verdicts come in the order of *answers*. Raises as `agrade`.

        What hung, or broke its process twice, is wrong, and its reason says so: a process that is
        killed once may have been killed by somebody short of memory.
        """
        pending = [(given, self._submit(*given)) for given in answers]
        again = [self._submit(*given) if _was_killed(tasks) else tasks for given, tasks in pending]
        return [_verdict(tasks) for tasks in again]

    def _submit(self, question: Question, answer: str) -> Tasks:
        """Queue one answer: our verdict and the paper's are separate tasks, each with its limit."""
        check_gradable(question)
        task, paper_s = (question, answer), min(OFFICIAL_TIMEOUT_S, self._timeout_s)
        pool = self._running()
        try:
            ours = pool.schedule(grade_plainly, task, timeout=self._timeout_s)
            return Tasks(pool, ours, pool.schedule(grade_like_paper, task, timeout=paper_s))
        except RuntimeError as exc:  # it broke just now
            raise _cannot_start(exc) from exc

    def _running(self) -> ProcessPool:
        if self._pool is None:
            raise ConfigurationError("a Grader grades inside its with block.")
        if self._pools < _MOST_POOLS and not self._pool.active:
            self._pool.join()
            self._pool = self._new_pool()
        return self._pool

    def _new_pool(self) -> ProcessPool:
        from pebble import ProcessPool

        self._pools += 1
        return ProcessPool(
            max_workers=self._processes,
            initializer=_start_worker,
            context=multiprocessing.get_context("spawn"),
        )


async def _done(tasks: Tasks) -> Tasks:
    """The same once both have ended, in whatever way."""
    looking = asyncio.create_task(_looking(tasks))
    try:
        await asyncio.gather(*map(asyncio.wrap_future, tasks.both()), return_exceptions=True)
    finally:
        looking.cancel()
    return tasks


async def _looking(tasks: Tasks) -> None:
    while True:
        await asyncio.sleep(_LOOK_S)
        tasks.look()


def _was_killed(tasks: Tasks) -> bool:
    """Wait for both: whether one ended because its process did."""
    from pebble import ProcessExpired

    tasks.wait()
    errors = [task.exception() for task in tasks.both()]
    return any(isinstance(error, ProcessExpired | BrokenProcessPool) for error in errors)


def _verdict(tasks: Tasks) -> Verdict:
    """Wait for both; a task that was killed, or whose libraries broke, found nothing."""
    tasks.wait()
    try:
        correct, extracted, reason = tasks.ours.result()
    except RSDError:
        raise
    except BrokenProcessPool as exc:
        raise _cannot_start(exc) from exc
    except TimeoutError:
        correct, extracted, reason = False, None, TIMEOUT
    except Exception as exc:  # SymPy raises whatever it likes, and pebble when a process dies
        correct, extracted, reason = False, None, f"grading broke: {exc}"
    paper = tasks.paper
    paper_correct = paper.exception() is None and paper.result()  # as the official evaluation does
    return Verdict(correct, paper_correct, extracted, reason)


def _cannot_start(exc: Exception) -> CapabilityError:
    return CapabilityError(
        f"The grading processes cannot start: {exc}.",
        expected="a main module that can be imported",
        hint='Start the script\'s work under: if __name__ == "__main__":',
    )


def _start_worker() -> None:
    """Load SymPy before the first clock starts; leave Ctrl-C to the parent, who stops us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Die at once: a Python handler gets no turn inside a long integer power, and while pebble waits
    # for it the clocks of the other processes run on.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    logging.disable()  # this process is ours alone, and math-verify logs the answers it parses
    grade(_WARM_UP, _WARM_ANSWER)
