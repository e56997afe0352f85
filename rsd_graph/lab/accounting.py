"""What an answer cost, in whatever its models' sizes and prices allow to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rsd_graph.answer.flops import PerRole, flops
from rsd_graph.answer.ledger import Ledger
from rsd_graph.answer.prices import Prices, cost

Unit = Literal["money", "FLOPs in full", "target tokens"]


@dataclass(frozen=True, slots=True)
class Accounting:
    """What is known of the models.

    Attributes:
        parameters: Their parameter counts, if known, for FLOPs.
        prices: What they charge, if stated.
    """

    parameters: PerRole | None = None
    prices: Prices | None = None

    @property
    def unit(self) -> Unit:
        """The unit of `cost`: money if there are prices, else FLOPs if sizes are known, else tokens
        of the target.
        """
        if self.prices:
            return "money"
        return "FLOPs in full" if self.parameters else "target tokens"

    def cost(self, ledger: Ledger) -> float:
        """The cost of one answer."""
        if self.prices:
            return cost(ledger, self.prices)
        if self.parameters:
            return flops(ledger, self.parameters)["full"]
        return ledger["target"]["completion_tokens"]
