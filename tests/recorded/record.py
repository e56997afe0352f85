"""What the package does, written down as plain data: nothing in it may change by moving code.

`python -m tests.recorded.record` prints it; `before_the_house.json` was printed by the commit
before the rooms were rearranged.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import typer.main

import rsd_graph
from rsd_graph import (
    ChatRSD,
    create_rsd_graph,
    initial_state,
    logistic,
    reward_model,
    reward_threshold,
    step_model,
)
from rsd_graph.acceptance import Criterion
from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.cli import app
from rsd_graph.embedded.task import held_out_problems
from tests.helpers.hashed import HashedModel, HashedPRM

STEP_SPECS = (
    "vllm+http://gpu1:8000/v1#Qwen/Qwen2.5-Math-1.5B-Instruct",
    "llamacpp+http://127.0.0.1:8080?timeout=30&max_concurrency=8",
    "tgi+http://gpu:8080",
    "sglang+http://gpu:30000/v1#m",
    "ollama+http://localhost:11434#qwen2.5:7b?num_ctx=8192",
    "openai+https://host/v1#m?ends=ask-again",
    "transformers+http://127.0.0.1:8000#m",
    "chat+http://host/v1#m",
)
PRM_SPECS = (
    "qwen-prm+vllm+http://gpu3:8000/v1#Qwen/Qwen2.5-Math-PRM-7B",
    "vllm+http://gpu3:8000/v1#prm",
    "pure+vllm+http://h/v1#m",
    "skywork+vllm+http://h/v1#m",
    "skywork-paper+vllm+http://h/v1#m",
    "math-shepherd+vllm+http://h/v1#m",
    "rlhflow+llamacpp+http://h#m",
    "genprm+vllm+http://h/v1#m",
    "judge+vllm+http://h/v1#m",
    "orm+vllm+http://h/v1#m",
    "tei+http://h#m",
    "llamacpp+http://h",
)
WORLDS: dict[str, dict[str, Any]] = {
    "loop": {},
    "ahead": {"lookahead": 2},
    "hedged": {"hedge": 0.0},
    "logistic": {"accept": logistic(10.0, 0.7)},
    "logistic ahead": {"accept": logistic(3.0, 0.5), "lookahead": 3},
}
QUESTIONS = 4


def record() -> dict[str, Any]:
    """Everything, as one object."""
    return {
        "public names": sorted(rsd_graph.__all__),
        "commands": _commands(),
        "endpoint strings": {spec: _described(step_model(spec, "draft")) for spec in STEP_SPECS}
        | {f"prm {spec}": _described(reward_model(spec)) for spec in PRM_SPECS},
        "ledger": sorted(empty_ledger()),
        "worlds": asyncio.run(_worlds()),
        "messages": [_message(number) for number in range(QUESTIONS)],
    }


def _commands() -> dict[str, list[str]]:
    """The options each command knows."""
    group: Any = typer.main.get_command(app)
    return {
        name: sorted(option for parameter in command.params for option in parameter.opts)
        for name, command in sorted(group.commands.items())
    }


def _described(model: Any) -> str:
    wire = getattr(model, "wire", None)
    inner = f" of {type(wire).__name__}" if wire else ""
    return f"{type(model).__name__}{inner} at {getattr(model, 'endpoint', None)}"


async def _worlds() -> dict[str, Any]:
    return {
        name: [await _answer(number, options) for number in range(QUESTIONS)]
        for name, options in WORLDS.items()
    }


async def _answer(number: int, options: dict[str, Any]) -> dict[str, Any]:
    """One answer of models that are functions of what they are asked, with its events."""
    accept: Criterion = options.get("accept", reward_threshold(0.7))
    graph = create_rsd_graph(
        draft=HashedModel("d", use_seed=True),
        target=HashedModel("t", use_seed=True),
        prm=HashedPRM(0.3),
        **{**options, "accept": accept},
    ).compile()
    question = initial_state(f"question {number}", seed=number)
    events, final = [], {}
    async for mode, item in graph.astream(question, stream_mode=["custom", "values"]):
        if mode == "custom":
            events.append(item)
        else:
            final = item
    return {"events": _timeless(events), "ledger": _timeless(final["ledger"])}


def _message(number: int) -> dict[str, Any]:
    """One answer of the shipped models; odd ones are sampled."""
    llm = ChatRSD(temperature=0.7 * (number % 2), seed=number, lookahead=0)
    message = llm.invoke(held_out_problems(QUESTIONS)[number].question)
    details = message.response_metadata["rsd"]
    return {
        "text": message.text,
        "metadata": sorted(message.response_metadata),
        "rsd": sorted(details),
        "steps": [
            {**step, "reward": None if step["reward"] is None else round(step["reward"], 3)}
            for step in _timeless(details["steps"])
        ],
        "tokens": {
            role: details["ledger"][role]["completion_tokens"]
            for role in ("draft", "target", "prm")
        },
    }


def _timeless(value: Any) -> Any:
    """*value* without what depends on the clock: times, and estimates made from them."""
    if isinstance(value, dict):
        return {
            key: _timeless(item)
            for key, item in value.items()
            if key not in ("ms", "spans") and not key.startswith("cancelled_")
        }
    return [_timeless(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.stdout.write(json.dumps(record(), sort_keys=True))
