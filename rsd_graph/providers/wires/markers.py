"""How a hosted model marks its thinking: found by looking at what its chat template renders."""

from __future__ import annotations

import re

from rsd_graph.answer.state import Message
from rsd_graph.answer.thinking import (
    OPENING_MARKERS,
    ThinkingFormat,
    closing,
    format_around,
    format_in,
    format_of,
)
from rsd_graph.errors import CapabilityError, ConfigurationError, RSDError
from rsd_graph.providers.wires.completion import CompletionWire

_HARMONY = "<|start|>assistant"
"""What gpt-oss's prompts end in: its channels are no pair of markers."""

_MARKER = re.compile(r"<[^<>|/]+>|\[[^\[\]/]+\]")
_QUESTION = Message(role="user", content="What is 2 + 2?")
_THOUGHT, _SAID = "2718 thought", "3141 said"


def checked_marker(think: str | None) -> str | None:
    """*think* as it is.

    Raises:
        ConfigurationError: It opens nothing that a slash would close.
    """
    if think is None or _MARKER.fullmatch(think):
        return think
    raise ConfigurationError(
        f"{think!r} is no marker that opens thinking.",
        expected="<name> or [NAME], closed by </name> or [/NAME]",
        hint="Leave it away where the chat template shows it; channels cannot be continued.",
    )


async def find_format(wire: CompletionWire, think: str | None) -> ThinkingFormat | None:
    """How the model of this *wire* marks its thinking; `None` if it does not.

    Args:
        wire: Renders the model's chat template.
        think: The marker that opens it, where the user has named one.

    Raises:
        CapabilityError: Its template has channels instead of markers.
        ProviderError: The server cannot be asked.
    """
    rendered = await wire.render([_QUESTION])
    if rendered.rstrip().endswith(_HARMONY):
        raise wire.endpoint.error(
            CapabilityError,
            "its template has Harmony's channels instead of markers.",
            expected="a model that marks its thinking, such as <think>",
            hint="Leave thinking unset: gpt-oss cannot be continued step by step.",
        )
    if think:
        apart = await _shown_apart(wire, rendered)
        return apart if apart and apart.markers[0] == think else format_of(think, rendered)
    if found := format_in(rendered):
        return found
    for opening in OPENING_MARKERS:
        if await _is_deleted(wire, opening):
            return await _shown(wire, rendered, _turn(opening)) or format_of(opening)
    return await _shown_apart(wire, rendered)


async def _is_deleted(wire: CompletionWire, opening: str) -> bool:
    """Whether the template deletes, from an earlier turn, what stands between these markers."""
    rendered = await _rendered(wire, _turn(opening), _QUESTION)
    return _SAID in rendered and _THOUGHT not in rendered


async def _shown_apart(wire: CompletionWire, header: str) -> ThinkingFormat | None:
    """The same where the template is given the thinking apart from the answer, and takes it."""
    turn = Message(role="assistant", content=_SAID, reasoning_content=_THOUGHT)
    return await _shown(wire, header, turn)


async def _shown(wire: CompletionWire, header: str, turn: Message) -> ThinkingFormat | None:
    """What the template writes around the thinking of the last *turn*, after its *header*."""
    rendered = await _rendered(wire, turn)
    if not rendered.startswith(header):
        return None
    return format_around(_THOUGHT, _SAID, rendered.removeprefix(header))


async def _rendered(wire: CompletionWire, *turns: Message) -> str:
    """The question and these *turns*; nothing, if the template refuses them."""
    try:
        return await wire.render([_QUESTION, *turns])
    except RSDError:
        return ""


def _turn(opening: str) -> Message:
    """An assistant's turn with its thinking."""
    text = f"{opening}\n{_THOUGHT}\n{closing(opening)}\n\n{_SAID}"
    return Message(role="assistant", content=text)
