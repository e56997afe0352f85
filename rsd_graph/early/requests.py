"""All a run may have under way before it is known to be needed, and how a run ends."""

from __future__ import annotations

from rsd_graph.answer.ledger import Entry, joined
from rsd_graph.answer.options import Lookahead
from rsd_graph.answer.state import Span
from rsd_graph.early.hedge import Hedge
from rsd_graph.early.lookahead import Drafter
from rsd_graph.providers.base import StepModel


class EarlyRequests:
    """The requests that are sent before it is known whether they are needed.

    Args:
        draft: Writes ahead of the verdict, as far as *lookahead* and *max_waste* allow.
        target: Starts before the verdict, where *hedge* says so.
        lookahead: See `Drafter`.
        max_waste: See `Drafter`.
        hedge: See `Hedge`.

    Attributes:
        drafter: The draft, with its look-ahead.
        hedge: The target, with its hedge.
        target_endpoint: Where the target is served, without credentials; `None` if nowhere.

    Raises:
        ConfigurationError: A setting outside its range.
    """

    def __init__(
        self,
        draft: StepModel,
        target: StepModel,
        lookahead: Lookahead = 0,
        max_waste: float = 0.1,
        hedge: float | None = None,
    ) -> None:
        self.drafter = Drafter(draft, lookahead, max_waste)
        self.hedge = Hedge(target, hedge)
        place = getattr(target, "endpoint", None)
        self.target_endpoint = None if place is None else str(place)

    def in_vain(self, run: str, accepted: int) -> list[Span]:
        """What of it a rejection makes useless, after so many *accepted* steps of one lap.

        The hedge writes in place of the first.
        """
        return [*self.drafter.spans(run), *(self.hedge.spans(run) if accepted else ())]

    def end(self, run: str) -> Entry:
        """End a run: cancel what it has under way; the entry of what that cost in vain."""
        return joined(self.drafter.discard(run), self.hedge.discard(run))
