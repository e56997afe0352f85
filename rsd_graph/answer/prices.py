"""What an answer cost in money: a price list times the ledger.

Prices are per million tokens, as hosts publish them, in any one currency.
"""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, with_config
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from rsd_graph.answer.flops import cached_perfectly
from rsd_graph.answer.ledger import Ledger, Usage
from rsd_graph.errors import Role

_ROLES: tuple[Role, ...] = ("draft", "target", "prm")
_MILLION = 1_000_000

_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Price:
    """Price of one model, per million tokens.

    Attributes:
        input: Of prompt tokens the server computed.
        output: Of generated tokens.
        cached: Of prompt tokens from the server's prefix cache; `None` means the same as *input*.

    Raises:
        pydantic.ValidationError: A price that is negative or no number.
    """

    input: _Amount
    output: _Amount
    cached: _Amount | None = None


def _as_price(value: object) -> object:
    """A single number is the price of every token."""
    if isinstance(value, Price | dict):
        return value
    if isinstance(value, bool | str) or not isinstance(value, int | float):
        raise PydanticCustomError("price", "a price is a number, or a table of input and output")
    return {"input": value, "output": value}


_RolePrice = Annotated[Price, BeforeValidator(_as_price)]


@with_config(extra="forbid")
class Prices(TypedDict):
    """The price list of a stack; where it is read, a number or a table stands for a `Price`."""

    draft: _RolePrice
    target: _RolePrice
    prm: _RolePrice


def cost(ledger: Ledger, prices: Prices) -> float:
    """The money one answer cost, in the currency of *prices*.

    Cancelled look-ahead is billed at the upper bound of what it generated, as `flops` does.
    Prompt tokens count as cached only where the server says so; where one does not, the money is
    at most this and at least that of `cached_perfectly(ledger)`.
    """
    cancelled = ledger["cancelled_draft_tokens"] * prices["draft"].output
    cancelled += ledger["cancelled_target_tokens"] * prices["target"].output
    return cancelled / _MILLION + sum(_spent(ledger[role], prices[role]) for role in _ROLES)


class Costs(TypedDict):
    """Money as answers report it; a range where a server does not say what it cached."""

    cost: float | None
    cost_if_cached: NotRequired[float]


def costs(ledger: Ledger, prices: Prices | None) -> Costs:
    """`{"cost": ...}` as answers report it; `None` without a price list.

    Where a server does not say what it cached, `cost_if_cached` is the other end of the range.
    """
    if prices is None:
        return {"cost": None}
    most, least = cost(ledger, prices), cost(cached_perfectly(ledger), prices)
    return {"cost": most} if least == most else {"cost": most, "cost_if_cached": least}


def _spent(used: Usage, price: Price) -> float:
    cached = price.input if price.cached is None else price.cached
    computed = used["prompt_tokens"] - used["cached_tokens"]
    return (
        computed * price.input
        + used["cached_tokens"] * cached
        + used["completion_tokens"] * price.output
    ) / _MILLION


def stated(prices: Prices | None) -> dict[str, str]:
    """The price list as one condition of a measurement; nothing without one."""
    if prices is None:
        return {}
    return {"prices": ", ".join(f"{role} {_words(prices[role])}" for role in _ROLES)}


def _words(price: Price) -> str:
    cached = "" if price.cached is None else f" (cached {price.cached:g})"
    return f"{price.input:g}{cached} in {price.output:g} out"
