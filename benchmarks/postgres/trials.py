"""Many threads at once, processes killed, and decisions gone back to."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time

from benchmarks.postgres.answers import graph, savers, thread, undisturbed, words
from rsd_graph import initial_state


async def at_once(url: str, threads: int) -> int:
    """Of so many answers at once, how many are stored as a run without a checkpointer has them."""
    async with savers(url) as saver:
        compiled = graph().compile(checkpointer=saver)

        async def one(seed: int) -> bool:
            config = thread(f"many {seed}")
            await compiled.ainvoke(initial_state("q", seed=seed), config, durability="sync")
            stored = await compiled.aget_state(config)
            return words(stored.values["steps"]) == await undisturbed(seed)

        return sum(await asyncio.gather(*map(one, range(threads))))


async def live(url: str, name: str, seed: int) -> None:
    """What a process that may be killed does: begin, or go on where the last one died."""
    async with savers(url, 1) as saver:
        compiled = graph(tells=True).compile(checkpointer=saver)
        state = await compiled.aget_state(thread(name))
        if not state.values.get("finish_reason"):
            start = None if state.created_at else initial_state("q", seed=seed)
            await compiled.ainvoke(start, thread(name), durability="sync")


def killed_once(url: str, name: str, seed: int, dice: random.Random) -> bool:
    """Kill a process after a random number of calls and a random moment more."""
    command = [sys.executable, "-m", "benchmarks.postgres", url, name, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(dice.randint(1, 24)):
            process.stdout.readline()
        time.sleep(dice.uniform(0, 0.01))
        process.kill()
        return process.wait() == -signal.SIGKILL


async def killed(url: str, kills: int) -> tuple[int, int, int]:
    """Kills, answers, and answers that are those of an undisturbed run."""
    dice, deaths, answers, same = random.Random(0), 0, 0, 0
    while deaths < kills:
        name = f"killed {answers}"
        while killed_once(url, name, answers, dice):
            deaths += 1
        async with savers(url, 1) as saver:
            state = await graph().compile(checkpointer=saver).aget_state(thread(name))
        same += words(state.values["steps"]) == await undisturbed(answers)
        answers += 1
    return deaths, answers, same


async def travelled(url: str) -> tuple[int, int]:
    """Gone back to every decision of an answer and decided anew: how many, and how many right.

    Right is: the steps before are the old ones, the step is the target's, and the old answer of the
    thread can still be read.
    """
    right, decided = 0, 0
    async with savers(url, 1) as saver:
        compiled = graph().compile(checkpointer=saver)
        old = await compiled.ainvoke(initial_state("q", seed=1), thread("back"))
        history = [state async for state in compiled.aget_state_history(thread("back"))]
        strict = graph(delta=0.95).compile(checkpointer=saver)
        for state in (one for one in history if one.next == ("accept",)):
            fork = await strict.aupdate_state(state.config, None, as_node="score")
            new = await strict.ainvoke(None, fork)
            index = len(state.values["steps"])
            before = await compiled.aget_state(history[0].config)
            decided += 1
            right += (
                words(new["steps"])[:index] == words(old["steps"])[:index]
                and new["steps"][index]["source"] == "target"
                and words(before.values["steps"]) == words(old["steps"])
            )
    return decided, right
