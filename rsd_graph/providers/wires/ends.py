"""Servers that say "stop" both for the separator and for the end of the answer.

RSD must know which: a step follows the one and nothing follows the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast, get_args

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import add_usage
from rsd_graph.errors import CapabilityError, ConfigurationError
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from rsd_graph.providers.wires.completions_api import Complete

Ends = Literal["refuse", "ask-again"]
"""What to do about such a server: refuse it, or opt into the heuristic of `ask_again`."""


def checked(ends: str) -> Ends:
    """*ends*, if it is one of the two.

    Raises:
        ConfigurationError: It is neither.
    """
    if ends not in get_args(Ends):
        raise ConfigurationError(f"ends={ends!r}.", expected='ends="refuse" or ends="ask-again"')
    return cast("Ends", ends)


def cannot_tell(endpoint: Endpoint, reason: object = None) -> CapabilityError:
    """The refusal, which explains itself; *reason* is the server's word for what it stopped at."""
    said = "" if reason is None else f", with the stop_reason {reason!r}"
    return endpoint.error(
        CapabilityError,
        f"this server reports finish_reason 'stop' for both end-of-text and the separator{said}.",
        expected="an answer that tells them apart (stop_reason, matched_stop, stop_type)",
        hint="Use the provider of the server itself (vllm, sglang, tgi, llamacpp); openai and "
        'ollama can guess, with ends="ask-again".',
    )


async def ask_again(
    complete: Complete, request: CompletionRequest, first: Completion
) -> Completion:
    """Guess how *first* ended by asking the model what it would write next.

    A HEURISTIC. The text is sent again as it stands, greedily and without stop strings, for a
    single token: then an empty "stop" can only be the end of the answer. For a greedy run this is
    the decision the model has just made, but for how the end of the text falls into tokens; for a
    sampled one it is the likelier of the two. One short call for each step that did not end by its
    length; its tokens are in the usage.
    """
    prompt = request.prompt + first.text
    with kept_on_error([first.usage]):
        probe = await complete(CompletionRequest(prompt, max_tokens=1, seed=request.seed))
    is_over = probe.ended == "eos" and not probe.text
    return replace(
        first,
        ended="eos" if is_over else "separator",
        usage=add_usage(first.usage, probe.usage),
    )
