"""A graph of three models that count what they do, to hold against what a ledger says."""

from __future__ import annotations

from typing import Any

from rsd_graph import Ledger, create_rsd_graph
from tests.helpers.hashed import HashedModel, HashedPRM

TOKENS = 3
"""What a hashed model writes for every step."""


class Trio:
    """Draft, target and PRM, and the graph of them.

    Args:
        rejects: Share of steps that the PRM rates below 0.7.
        fails: Share of the requests to each model that fail.
        use_seed: Whether the models sample, or are greedy.
        salt: Greedy models of another salt write other words.
        **options: Of `create_rsd_graph`.
    """

    def __init__(
        self,
        *,
        rejects: float = 0.3,
        fails: float = 0.0,
        use_seed: bool = True,
        salt: str = "",
        **options: Any,
    ) -> None:
        self.draft = HashedModel(f"d{salt}", use_seed=use_seed, fails=fails)
        self.target = HashedModel(f"t{salt}", use_seed=use_seed, fails=fails)
        self.prm = HashedPRM(rejects, fails=fails)
        self.graph = create_rsd_graph(
            draft=self.draft, target=self.target, prm=self.prm, **options
        ).compile()

    def counted(self) -> dict[str, int]:
        """What the models counted."""
        return {
            "draft calls": self.draft.finished,
            "target calls": self.target.finished,
            "prm calls": self.prm.finished,
            "draft tokens": TOKENS * self.draft.finished,
            "target tokens": TOKENS * self.target.finished,
            "closed": self.draft.closed + self.target.closed + self.prm.closed,
        }


def booked(ledger: Ledger) -> dict[str, int]:
    """What a ledger says of the same."""
    return {
        "draft calls": ledger["draft"]["calls"],
        "target calls": ledger["target"]["calls"],
        "prm calls": ledger["prm"]["calls"],
        "draft tokens": ledger["draft"]["completion_tokens"],
        "target tokens": ledger["target"]["completion_tokens"],
        "closed": ledger["cancelled_calls"],
    }


def unexplained(ledger: Ledger) -> tuple[int, int]:
    """Tokens of draft and target that are booked, but in none of the places they can have gone to.

    For ledgers of finished answers.
    """
    kept, lost = ledger["kept_draft_tokens"], ledger["discarded_draft_tokens"]
    drafted, rewritten = ledger["draft"]["completion_tokens"], TOKENS * ledger["target_steps"]
    written = ledger["target"]["completion_tokens"]
    return (
        drafted - kept - lost - ledger["wasted_draft_tokens"],
        written - rewritten - ledger["wasted_target_tokens"],
    )
