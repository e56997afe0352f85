"""Checks of a server that continues text: what it makes of our prompts and of our sampling."""

from __future__ import annotations

from collections.abc import Mapping

from rsd_graph.errors import BadRequestError, CapabilityError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.facts import Tokenizing
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.stacks.doctor.finding import Finding, Seat, fine, judged
from rsd_graph.stacks.doctor.said import GREEDY, say

_SPELLED_OUT = Sampling(repetition_penalty=1 + 1e-6)
"""As good as neutral, and yet not the neutral value: no provider and no proxy leaves it out."""

_ONE_TOKEN_LEFT: Mapping[str, Sampling] = {
    "top_k": Sampling(2.0, top_k=1),
    "top_p": Sampling(2.0, top_p=1e-6),
    "min_p": Sampling(2.0, min_p=1.0),
}
"""Each leaves the likeliest token alone, whatever the temperature: the greedy text."""

_SHOWN_TAIL = 24


async def template(seat: Seat, model: HostedModel) -> Finding:
    """Whether the question is in the rendered prompt, and what the prompt ends in."""
    prompt = await model.render(seat.conversation)
    seen = f"{len(prompt)} characters, ending in {prompt[-_SHOWN_TAIL:]!r}"
    fix = "This chat template drops the user's turn: serve the model with its own template."
    return judged(seat.example.question in prompt, seen, fix)


async def prefix_survives(seat: Seat, model: HostedModel) -> Finding:
    """Whether a prefix that ends in the separator reaches the model with it."""
    prompt = await model.render(seat.conversation) + "X"
    bare, full = [await _prompt_tokens(model, text) for text in (prompt, prompt + seat.separator)]
    if full > bare:
        return fine(f"the separator is {full - bare} token(s) of the prompt")
    fix = "Something trims the prompt: use the server's native route, not a chat route."
    return "fail", "a trailing separator is lost", fix


async def one_bos(seat: Seat, model: HostedModel) -> Finding:
    """Whether the model reads a beginning-of-sequence token twice: once ours, once the server's."""
    wire, prompt = model.wire, await model.render(seat.conversation)
    fix = "The template and the server both write it: take it out of the chat template."
    if isinstance(wire, Tokenizing):
        ids = await wire.prompt_ids(prompt)
        read = await _prompt_tokens(model, prompt)
        if list(ids[:2]) == [*ids[:1]] * 2:
            return "fail", f"the prompt opens with the token {ids[0]} twice", fix
        seen = f"{read} tokens read, {len(ids)} in the prompt"
        return judged(read == len(ids), seen, "The server puts something of its own before it.")
    bos = seat.facts.bos
    if not bos:
        return fine("no BOS in the template" if bos == "" else "not measured: no tokenizer route")
    added = await _prompt_tokens(model, bos) - 1
    seen = f"{added} from the server, {int(prompt.startswith(bos))} from the template"
    return judged(added + prompt.startswith(bos) <= 1, seen, fix)


async def _prompt_tokens(model: HostedModel, prompt: str) -> int:
    """How many tokens the model reads for *prompt*, in the server's own count."""
    done = await model.wire.complete(CompletionRequest(prompt, max_tokens=1))
    return done.usage["prompt_tokens"]


async def defaults(seat: Seat, model: HostedModel) -> Finding:
    """Greedy text with neutral sampling, and with sampling that is neutral but cannot be left out.

    A penalty of the server's own, from the model's generation_config.json or a Modelfile, rules the
    one and not the other.
    """
    plain, spelled, again = [
        (await say(seat, model, sampling)).text for sampling in (GREEDY, _SPELLED_OUT, GREEDY)
    ]
    if plain == spelled:
        own = ", ".join(f"{name} {value:.3g}" for name, value in seat.facts.defaults.items())
        return fine(f"overridden: {own}" if own else "spelled out or not, the same text")
    if plain != again:
        return "warn", "cannot be told: its greedy texts differ anyway", "See above."
    fix = (
        "Name the server's own provider, which spells every value out, or serve without the "
        "model's own (vLLM: --generation-config vllm)."
    )
    return "fail", "a penalty that the request does not name changes the text", fix


async def obeyed(seat: Seat, model: HostedModel) -> Finding:
    """Whether each sampling parameter arrives: one that does not is the server's own."""
    greedy = (await say(seat, model)).text
    found: dict[str, list[str]] = {"obeyed": [], "refused": [], "ignored": []}
    for name, sampling in _ONE_TOKEN_LEFT.items():
        try:
            text = (await say(seat, model, sampling, seed=7)).text
        except (CapabilityError, BadRequestError):
            found["refused"].append(name)
        else:
            found["obeyed" if text == greedy else "ignored"].append(name)
    seen = "; ".join(f"{what}: {', '.join(names)}" for what, names in found.items() if names)
    if not found["ignored"]:
        return fine(seen)
    return "warn", seen, "Leave these alone, or use the provider of the server itself."
