"""How a hosted model thinks: its markers in each prompt, and the step of one phase.

The server is never asked to tell thinking from answer: plain text is continued, and the closing
marker is one more stop string.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import add_usage
from rsd_graph.answer.state import Phase
from rsd_graph.answer.thinking import (
    ThinkingFormat,
    cut_partial,
    is_in_block,
    text_of,
)
from rsd_graph.errors import CapabilityError, ContextOverflowError
from rsd_graph.providers.base import Prefix, StepRequest
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, CompletionWire
from rsd_graph.providers.wires.markers import checked_marker, find_format

if TYPE_CHECKING:
    from rsd_graph.providers.wires.hosted import HostedModel

_MOST_BLANKS = 3
"""Blank pieces of a step, one after the other, after which it ends all the same."""


class Thinker:
    """The thinking of one hosted model.

    Args:
        wire: Of its server.
        think: The marker that opens it; by default the one its chat template shows.

    Raises:
        ConfigurationError: *think* is no such marker.
    """

    def __init__(self, wire: CompletionWire, think: str | None = None) -> None:
        self._wire = wire
        self.think = checked_marker(think)
        self._is_off = False
        self._found: ThinkingFormat | None = None
        self._has_looked = False

    def silenced(self) -> Thinker:
        """The same, kept from thinking."""
        quiet = copy(self)
        quiet._is_off = True
        return quiet

    async def prompt(self, rendered: str, prefix: Prefix) -> str:
        """The prompt that was *rendered*, and after it the answer so far in this model's markers.

        Raises:
            CapabilityError: It is to think, and marks its thinking in no way that is known here.
        """
        if self._is_off:
            found = await self.format()
            return found.prompt(rendered, "", prefix.text) if found else rendered + prefix.text
        if prefix.phase is None:
            return rendered + prefix.text
        thinking = text_of(prefix.steps, "thinking", prefix.separator)
        answer = text_of(prefix.steps, "answer", prefix.separator)
        if prefix.phase == "thinking":
            return (await self._marked()).prompt(rendered, thinking)
        return (await self._marked()).prompt(
            rendered, thinking.removesuffix(prefix.separator), answer
        )

    async def write(self, model: HostedModel, request: StepRequest) -> tuple[Completion, Phase]:
        """The step of the request's phase, and its phase.

        A model that closes its thinking with nothing more to say goes on to its answer.

        Raises:
            CapabilityError: The server does not say which of two stop strings it met.
        """
        prefix, asked = request.prefix, await model.request_for(request)
        if self._is_off:
            return await _whole(model, asked, request), prefix.phase or "answer"
        found = await self._marked()
        if prefix.phase == "answer":
            done = await _whole(model, asked, request)
            return replace(done, text=found.plain(done.text)), "answer"
        opening, closing = found.markers
        done = await _whole(model, replace(asked, stop=(*asked.stop, closing)), request)
        done = replace(done, text=re.sub(rf"{re.escape(opening)}\n?", "", done.text))
        if done.ended != "eos" and done.stop != closing:
            return replace(done, text=cut_partial(done.text, closing)), "thinking"
        if done.text.strip():
            return replace(done, text=done.text.rstrip(), ended="closed"), "thinking"
        return await self._beyond(done, model, request)

    async def _beyond(
        self, done: Completion, model: HostedModel, request: StepRequest
    ) -> tuple[Completion, Phase]:
        """The first step of the answer, for a model that has *done* with thinking."""
        left = max(1, request.max_tokens - done.usage["completion_tokens"])
        prefix = replace(request.prefix, phase="answer")
        with kept_on_error([done.usage]):
            first, phase = await self.write(model, replace(request, prefix=prefix, max_tokens=left))
        return replace(first, usage=add_usage(done.usage, first.usage)), phase

    async def _marked(self) -> ThinkingFormat:
        """The format, which it must have.

        Raises:
            CapabilityError: There is none.
        """
        found = await self.format()
        if found is None:
            raise self._error(
                "no marker of thinking is found in its chat template.",
                expected="a template that opens the thinking, or deletes it from earlier turns",
                hint="If the model thinks all the same, name what opens it: ?think=<think> in its "
                "endpoint string. If not: thinking='off', or the role that thinks.",
            )
        return found

    async def format(self) -> ThinkingFormat | None:
        """How the model marks its thinking, found once; `None` if it does not.

        Raises:
            CapabilityError: Its template has channels instead of markers.
            ProviderError: The server cannot be asked.
        """
        if not self._has_looked:
            found = await find_format(self._wire, self.think)
            self._found, self._has_looked = found, True
        return self._found

    def _error(self, message: str, **more: str) -> CapabilityError:
        return self._wire.endpoint.error(CapabilityError, message, **more)


async def _whole(model: HostedModel, asked: CompletionRequest, request: StepRequest) -> Completion:
    """A step that ends where one may end: in no block, neither blank nor too short.

    Raises:
        CapabilityError: The server does not say which of two stop strings it met.
    """
    unfinished = _unfinished(request.prefix)
    least = request.min_tokens if request.prefix.phase == "thinking" else 1
    done = await model.complete(asked)
    blanks = 0 if done.text.strip() else 1
    while done.ended == "separator":
        stop = done.stop or (asked.stop[0] if len(asked.stop) == 1 else "")
        if not stop:
            raise _unsaid(model)
        left = asked.max_tokens - done.usage["completion_tokens"]
        is_short = stop == asked.stop[0] and done.usage["completion_tokens"] < least
        is_blank = stop == asked.stop[0] and not done.text.strip() and blanks < _MOST_BLANKS
        if not (is_blank or is_short or is_in_block(unfinished + done.text)):
            break
        if left < 1:
            return replace(done, ended="length")
        before, blanks = done, blanks + 1
        done = await _longer(model, asked, request, before, stop)
        if done.usage["completion_tokens"] == before.usage["completion_tokens"]:
            break  # nothing is written any more
    return done


async def _longer(
    model: HostedModel,
    asked: CompletionRequest,
    request: StepRequest,
    done: Completion,
    stop: str,
) -> Completion:
    """What is *done*, the *stop* string after it, and what follows that."""
    text, tokens = done.text + stop, asked.max_tokens - done.usage["completion_tokens"]
    seed = asked.seed + done.usage["calls"]
    again = replace(asked, prompt=asked.prompt + text, max_tokens=tokens, seed=seed)
    try:
        with kept_on_error([done.usage]):
            piece = await model.complete(again)
    except ContextOverflowError:
        if not done.text.strip():
            raise
        return replace(done, ended="context")
    return replace(
        piece,
        text=(text if _unfinished(request.prefix) else text.lstrip()) + piece.text,
        usage=add_usage(done.usage, piece.usage),
        tokens=[*done.tokens, *piece.tokens],
        is_whole=done.is_whole and piece.is_whole,
    )


def _unfinished(prefix: Prefix) -> str:
    """The text of the step that the token budget has cut, and this one goes on with."""
    cut = takewhile(lambda step: step["ended"] == "length", reversed(prefix.steps))
    return "".join(reversed([step["text"] for step in cut]))


def _unsaid(model: HostedModel) -> CapabilityError:
    return model.endpoint.error(
        CapabilityError,
        "this server does not say which of two stop strings it met.",
        expected="the separator told from the end of the thinking",
        hint="Use the provider of the server itself (vllm, sglang, tgi, llamacpp).",
    )
