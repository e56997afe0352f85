"""What the routes of llama.cpp's server answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Ended
from rsd_graph.providers.http.answers import Count, ListOf, LogProbability, Shape
from rsd_graph.providers.wires.completion import Token
from rsd_graph.providers.wires.completions_api import counted

Bytes = ListOf[Annotated[int, Field(ge=0, lt=256)]]


class Rival(Shape):
    """A token and how likely it was."""

    id: int
    token: str
    logprob: LogProbability


class Row(Rival):
    """A generated token, and the likeliest in its place."""

    bytes: Bytes
    top_logprobs: ListOf[Rival]


class Timings(Shape):
    """Prompt tokens that were in the cache, and tokens that its own speculation drafted."""

    cache_n: Count | None = None
    draft_n: Count | None = None


class Answer(Shape):
    """What `/completion` says; `tokens_evaluated` is the whole prompt.

    What was reused stands only in the timings, which servers before September 2025 lack.
    """

    content: str
    stop_type: Literal["word", "eos", "limit"]
    stopping_word: str = ""
    truncated: bool
    tokens_evaluated: Count
    tokens_predicted: Count
    timings: Timings = Timings()
    tokens: ListOf[int] = Field(default_factory=list)
    completion_probabilities: ListOf[Row] = Field(default_factory=list)

    @property
    def ended(self) -> Ended:
        """A word is one of our stop strings: there are no others."""
        if self.stop_type == "limit":
            return "context" if self.truncated else "length"
        return "separator" if self.stop_type == "word" else "eos"

    @property
    def spent(self) -> Usage:
        """What the completion took."""
        return counted(self.tokens_evaluated, self.tokens_predicted, self.timings.cache_n)

    @property
    def is_whole(self) -> bool:
        """Whether every token of the text is reported.

        llama.cpp takes back as many tokens as the stop string is by itself, however many it was
        here: part of a text's probability is not the text's.
        """
        said = sum(len(row.bytes) for row in self.completion_probabilities)
        return said >= len(self.content.encode())

    @property
    def reported(self) -> list[Token]:
        """The generated tokens, but for those that ended the text; none where one is left out.

        Of a character in several tokens llama.cpp reports the last, and of tokens that its
        speculative decoding drafted probability 1.
        """
        rows = self.completion_probabilities
        ids = [row.id for row in rows]
        if self.timings.draft_n or ids != self.tokens[: len(ids)]:
            return []
        tops = [{rival.token: rival.logprob for rival in row.top_logprobs} for row in rows]
        return [Token(row.token, row.logprob, top) for row, top in zip(rows, tops, strict=True)]


class Piece(Shape):
    """A token of a text."""

    id: Count
    piece: str | Bytes
    """Bytes, if it is not a whole number of characters."""

    @property
    def spelled(self) -> bytes:
        """Its bytes."""
        return self.piece.encode() if isinstance(self.piece, str) else bytes(self.piece)


class Pieces(Shape):
    """What `/tokenize` says."""

    tokens: ListOf[Piece]


class Defaults(Shape):
    """A slot's context and what the server samples by if nothing is said."""

    n_ctx: Count
    params: dict[str, object]


class Props(Shape):
    """What `/props` says."""

    default_generation_settings: Defaults
    total_slots: Count | None = None
