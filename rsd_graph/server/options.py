"""What a server allows, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rsd_graph.server.guard import Access

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server allows.

    Attributes:
        access: Who may ask.
        max_answers: Answers worked on at once.
        max_queue: Requests that may wait for that; the next gets 429.
        max_seconds: Wall clock of one answer; then it is ended.
        max_choices: The largest `n`.
        max_messages: Messages of one conversation.
        max_tokens: The largest budget a client may ask for; `None` leaves it to the stack.
        max_body: Bytes of one request.
    """

    access: Access = field(default_factory=Access)
    max_answers: int = 256
    max_queue: int = 64
    max_seconds: float = 600.0
    max_choices: int = 8
    max_messages: int = 1000
    max_tokens: int | None = None
    max_body: int = 4 * _MIB
