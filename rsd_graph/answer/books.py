"""How costs get into a ledger while they arise, those of what fails included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rsd_graph.answer.ledger import Entry, Ledger, Usage, add, add_usage
from rsd_graph.errors import RSDError


@dataclass
class Books:
    """The ledger of a run while a node is at work on it.

    Every cost is entered as soon as it is known, so that a node that fails or is cancelled has
    booked what it had spent by then.
    """

    ledger: Ledger

    def enter(self, entry: Entry) -> None:
        """Add *entry*."""
        self.ledger = add(self.ledger, entry)


@contextmanager
def kept_on_error(costs: Sequence[Usage]) -> Iterator[None]:
    """Around a call of several requests: if one fails, the others' *costs* are on its error.

    *costs* may grow while the call is at work.
    """
    try:
        yield
    except RSDError as error:
        error.spent = add_usage(*costs, spent_before(error))
        raise


def spent_before(error: BaseException) -> Usage:
    """What a failed call had cost before it failed, as far as anyone knows."""
    known = error.spent if isinstance(error, RSDError) else None
    return known or add_usage()
