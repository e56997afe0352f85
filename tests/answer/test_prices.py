"""What an answer cost in money."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rsd_graph.answer.ledger import Ledger, add, empty_ledger, usage
from rsd_graph.answer.prices import Price, Prices, cost, stated
from tests.helpers.chat_support import functional

PRICES = Prices(draft=Price(1, 2), target=Price(10, 40, cached=5), prm=Price(3, 3))

TOKENS = st.integers(0, 10**9)
LEDGERS = st.builds(
    lambda read, cached, written, cancelled: add(
        empty_ledger(),
        {
            role: usage(
                prompt_tokens=read + cached, cached_tokens=cached, completion_tokens=written
            )
            for role in ("draft", "target", "prm")
        }
        | {"cancelled_draft_tokens": cancelled},
    ),
    TOKENS,
    TOKENS,
    TOKENS,
    TOKENS,
)


def spent(**entry: Any) -> float:
    return cost(add(empty_ledger(), entry), PRICES)


def read(value: Any) -> Prices:
    return TypeAdapter(Prices).validate_python(value)


def test_each_kind_of_token_has_its_price() -> None:
    """Worked by hand: computed, cached and generated tokens of all three models."""
    total = spent(
        draft=usage(prompt_tokens=100, completion_tokens=50),
        target=usage(prompt_tokens=1000, cached_tokens=800, completion_tokens=20),
        prm=usage(prompt_tokens=500, cached_tokens=100, completion_tokens=5),
    )

    draft, target, prm = 100 * 1 + 50 * 2, 200 * 10 + 800 * 5 + 20 * 40, 505 * 3
    assert total == pytest.approx((draft + target + prm) / 1e6)
    assert total == pytest.approx(0.008515)


def test_cached_tokens_cost_as_much_as_others_unless_said() -> None:
    """`cached` is a discount; a price list without one has none."""
    assert spent(draft=usage(prompt_tokens=10, cached_tokens=10)) == pytest.approx(10 / 1e6)


def test_cancelled_lookahead_is_billed_at_its_upper_bound() -> None:
    """Tokens a cancelled request may have generated are paid for."""
    assert spent(cancelled_draft_tokens=1_000_000) == pytest.approx(2)


def test_nothing_costs_nothing() -> None:
    """An empty ledger, and a ledger at no price."""
    free = read({"draft": 0, "target": 0, "prm": 0})

    assert spent() == 0
    assert cost(add(empty_ledger(), {"target": usage(prompt_tokens=9)}), free) == 0


@given(LEDGERS, LEDGERS)
def test_costs_add_up(first: Ledger, second: Ledger) -> None:
    """Two answers cost what both cost together."""
    together = cost(add(first, second), PRICES)

    assert together == pytest.approx(cost(first, PRICES) + cost(second, PRICES))


def test_a_number_is_the_price_of_every_token() -> None:
    """In files and dictionaries; a table may leave out the price of cached tokens."""
    found = read({"draft": 2, "target": {"input": 1, "output": 3}, "prm": Price(1, 1, 0)})

    assert found == {"draft": Price(2, 2), "target": Price(1, 3), "prm": Price(1, 1, 0)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"draft": -1, "target": 1, "prm": 1}, "greater than or equal to 0"),
        ({"draft": float("nan"), "target": 1, "prm": 1}, "finite number"),
        ({"draft": "cheap", "target": 1, "prm": 1}, "a price is a number, or a table"),
        ({"draft": True, "target": 1, "prm": 1}, "a price is a number, or a table"),
        ({"draft": {"input": 1}, "target": 1, "prm": 1}, "output"),
        ({"draft": 1, "target": 1}, "Field required"),
        ({"draft": 1, "target": 1, "prm": 1, "judge": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_price_is_refused(wrong: Any, message: str) -> None:
    """Every role needs a price, none below zero: nothing is free by mistake."""
    with pytest.raises(ValidationError, match=message):
        read(wrong)


def test_an_answer_says_what_it_cost() -> None:
    """In the metadata beside the FLOPs; `None` without prices."""
    prices = {"draft": 1, "target": {"input": 10, "output": 40}, "prm": 3}

    priced = functional(prices=prices).invoke("q").response_metadata["rsd"]
    plain = functional().invoke("q").response_metadata["rsd"]

    # 5 draft tokens; the target reads 20 and writes 5; the PRM reads 30 and writes 3.
    assert priced["cost"] == pytest.approx((5 * 1 + 20 * 10 + 5 * 40 + 33 * 3) / 1e6)
    assert plain["cost"] is None


def test_prices_do_not_change_the_answer() -> None:
    """They are no part of LangChain's cache key, and can be given per call."""
    prices = {"draft": 1, "target": 1, "prm": 1}
    model = functional()

    priced = model.invoke("q", prices=prices).response_metadata["rsd"]

    assert priced["cost"] == pytest.approx((5 + 25 + 33) / 1e6)
    assert functional(prices=prices)._identifying_params.keys() == model._identifying_params.keys()
    assert "prices" not in model._identifying_params


def test_a_price_list_is_stated_in_words() -> None:
    """Whoever reads a cost can see what it rests on."""
    assert stated(PRICES) == {
        "prices": "draft 1 in 2 out, target 10 (cached 5) in 40 out, prm 3 in 3 out"
    }
    assert stated(None) == {}
