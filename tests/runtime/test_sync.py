"""Sync callers on background loops: many at once, interrupted, collected, forked, nested."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

QUIET = """
import logging
logging.getLogger("asyncio").setLevel(logging.ERROR)  # not its remarks on a busy machine
"""


def run(script: str) -> tuple[str, str]:
    """What *script* prints in a fresh interpreter in which every warning is an error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", QUIET + script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    return done.stdout.strip(), done.stderr


FIRST_CALLS = """
import asyncio, sys, threading
from rsd_graph.runtime.sync import run_sync

sys.setswitchinterval(1e-6)
loops, barrier = set(), threading.Barrier(64)

async def loop():
    return asyncio.get_running_loop()

def first_call():
    barrier.wait()
    loops.add(run_sync(loop()))

threads = [threading.Thread(target=first_call) for _ in range(64)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(loops))
"""


def test_the_first_calls_of_many_threads_share_one_loop() -> None:
    """64 threads make their first sync call at once: what they share is bound to one loop."""
    assert run(FIRST_CALLS) == ("1", "")


UNFINISHED = """
import gc
from rsd_graph.runtime.sync import run_sync
from tests.helpers.chat_support import functional

gc.disable()

def leave_in_a_cycle():
    stream = functional(lookahead=2, hedge=0.0).stream("question")
    cycle = [stream, next(stream).text]
    cycle.append(cycle)
    return cycle[1]

async def collect():
    gc.collect()

print(repr(leave_in_a_cycle()))
{collect}
print(functional().invoke("again").text[-9:])
gc.collect()
"""


@pytest.mark.parametrize("collect", ["run_sync(collect())", "gc.collect()", ""])
def test_an_unfinished_stream_in_a_cycle_is_closed_quietly(collect: str) -> None:
    """Collected on the background thread, which cannot wait for itself, on the caller's, or as the
    process ends: nothing hangs, and nothing is printed.
    """
    assert run(UNFINISHED.format(collect=collect)) == ("'first'\nso: again", "")


INTERRUPTED = """
import asyncio, gc, signal
from rsd_graph.runtime.sync import run_sync

async def fails_as_it_is_cancelled():
    try:
        await asyncio.Event().wait()
    finally:
        raise ValueError("in the cleanup")

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    run_sync(fails_as_it_is_cancelled())
except KeyboardInterrupt:
    print("interrupted")

async def nothing():
    gc.collect()

run_sync(nothing())
"""


def test_an_interrupt_leaves_nobody_to_complain_to() -> None:
    """What a cancelled call raises while it cleans up is dropped with it."""
    assert run(INTERRUPTED) == ("interrupted", "")


FORKED = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
from rsd_graph.errors import ConfigurationError
from tests.helpers.chat_support import functional

stream = functional().stream("question")
print(next(stream).text, flush=True)
child = os.fork()
if child == 0:
    try:
        next(stream)
    except ConfigurationError as error:
        print("forked" in str(error), functional().invoke("q").text[-5:], flush=True)
    os._exit(0)
os.waitpid(child, 0)
print([chunk.text.strip() for chunk in stream])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_stream_is_not_read_on_after_a_fork() -> None:
    """The child has no thread that runs it: it is told so, has loops of its own, and the parent
    reads on.
    """
    assert run(FORKED) == ("first\nTrue so: q\n['second', 'so: question', '']", "")
