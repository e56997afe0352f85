"""Checks of a model that writes steps: the seats of draft and target."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from operator import eq

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.base import Prefix, StepModel, StepRequest
from rsd_graph.providers.facts import describe
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.stacks.doctor.cache import examine_cache
from rsd_graph.stacks.doctor.contact import contact
from rsd_graph.stacks.doctor.finding import Check, Finding, Seat, fine
from rsd_graph.stacks.doctor.replicas import replicas_agree
from rsd_graph.stacks.doctor.said import Said, say
from rsd_graph.stacks.doctor.speed import throughput
from rsd_graph.stacks.doctor.thinking import is_quiet, thinks
from rsd_graph.stacks.doctor.wire import defaults, obeyed, one_bos, prefix_survives, template

_MOST_STEPS = 24
_MOST_STEP_TOKENS = 256
_UNCACHED = (
    "Every step re-reads the whole answer. vLLM: serve with --enable-prefix-caching; SGLang: "
    "without --disable-radix-cache. Behind a router: have it route by X-Session-ID."
)


async def examine_writer(seat: Seat, model: StepModel) -> AsyncIterator[Check]:
    """Every finding about *model* in this seat."""

    async def first() -> Usage:
        return (await say(seat, model)).usage

    met = await contact(seat, model, first)
    for check in met.checks:
        yield check
    if not met.answered:
        return
    seat = replace(seat, facts=met.facts)
    if isinstance(model, HostedModel):
        yield await seat.check("template", template(seat, model))
        yield await seat.check("prefix continued exactly", prefix_survives(seat, model))
        yield await seat.check("one BOS", one_bos(seat, model))
        if seat.phases.thinking is not None:
            judge = is_quiet if seat.phases.is_off_for(seat.role) else thinks
            yield await seat.check("thinking", judge(seat, model))
    elif approximation := getattr(model, "approximation", None):
        seen = f"{approximation}: it writes about the prefix instead of continuing it"
        fix = "An approximation by nature: use a server that completes text, if there is one."
        yield Check(seat.role, "prefix continued exactly", "warn", seen, fix)
    if isinstance(model, HostedModel) and len(model.endpoint.replicas) > 1:
        agree = replicas_agree(model.endpoint, partial(_sample, seat, model), eq)
        yield await seat.check("replicas agree", agree)
    yield await seat.check("separator and end told apart", _step_ends(seat, model))
    yield await seat.check("temperature 0 is greedy", _greedy(seat, model))
    if isinstance(model, HostedModel):
        yield await seat.check("no sampling default leaks in", defaults(seat, model))
        yield await seat.check("sampling obeyed", obeyed(seat, model))
    if isinstance(model, HostedModel):
        async for check in examine_cache(seat, model.endpoint, partial(_read, model), _UNCACHED):
            yield check
    yield await seat.check("throughput", _throughput(seat, model))


async def _sample(seat: Seat, model: HostedModel) -> tuple[object, str, str]:
    """What one server is known by: its models, its template, its greedy text."""
    facts, prompt = await describe(model.wire), await model.wire.render(seat.conversation)
    names = [name.rpartition("/")[2] for name in facts.models]  # llama.cpp's are paths
    return names, prompt, (await say(seat, model)).text


async def _read(model: HostedModel, prefix: Prefix) -> Usage:
    """Let the model read *prefix*; what that cost."""
    request = CompletionRequest(await model.prompt(prefix), max_tokens=1)
    return (await model.wire.complete(request)).usage


async def _step_ends(seat: Seat, model: StepModel) -> Finding:
    """Whether a whole answer shows both kinds of ending: our separator, and the end of text."""
    steps: list[Candidate] = []
    budget = min(_MOST_STEP_TOKENS, seat.limits.max_step_tokens)
    while not steps or (steps[-1]["ended"] == "separator" and len(steps) < _MOST_STEPS):
        steps.append(await model.write_step(StepRequest(seat.prefix(*steps), budget)))
    endings = [step["ended"] for step in steps]
    seen = f"{endings.count('separator')} separators, then {endings[-1]}"
    if "separator" in endings and endings[-1] == "eos":
        return fine(seen)
    fix = "Does this model write its answer in steps? Ask for it in a system prompt, or change "
    return "warn", seen, fix + "step_separator."


async def _greedy(seat: Seat, model: StepModel) -> Finding:
    """Temperature 0 twice: whatever is drawn at random would show."""
    texts = [(await say(seat, model, seed=seed)).text for seed in (0, 99)]
    if texts[0] == texts[1]:
        return fine("two seeds, one text")
    fix = "The server samples in spite of temperature 0, or computes differently by batch."
    return "warn", "two seeds, two texts", fix


async def _throughput(seat: Seat, model: StepModel) -> Finding:
    async def ask() -> int:
        said: Said = await say(seat, model, max_tokens=32)
        return said.usage["completion_tokens"]

    return await throughput(ask)
