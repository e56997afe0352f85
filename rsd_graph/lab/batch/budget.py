"""When a batch begins no more questions, whatever is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from rsd_graph.answer.ledger import Ledger
from rsd_graph.answer.prices import Prices, cost
from rsd_graph.errors import ConfigurationError

Reason = Literal["max_cost", "max_seconds"]


@dataclass(slots=True)
class Budget:
    """What a batch may take. Answers under way are finished, so it may be a little more.

    Attributes:
        max_cost: Money for the whole file of answers, those of earlier runs included.
        max_seconds: Time of this run.
        prices: What the models charge.
        clock: Seconds that pass.

    Raises:
        ConfigurationError: A cost without prices.
    """

    max_cost: float | None = None
    max_seconds: float | None = None
    prices: Prices | None = None
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        if self.max_cost is not None and self.prices is None:
            raise ConfigurationError(
                "what answers cost is not known.",
                expected="the prices of all three models, in the stack file",
                hint="Without them, --max-seconds and --limit can end a batch.",
            )
        self._began = self.clock()

    def spent(self, ledger: Ledger) -> Reason | None:
        """What is used up, if anything is."""
        if self.max_seconds is not None and self.clock() - self._began >= self.max_seconds:
            return "max_seconds"
        if self.max_cost is not None and self.prices is not None:
            return "max_cost" if cost(ledger, self.prices) >= self.max_cost else None
        return None
