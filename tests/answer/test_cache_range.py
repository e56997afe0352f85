"""Books that are true where a server does not say what it cached: two numbers, not one."""

from __future__ import annotations

from typing import Any

from rsd_graph.answer.flops import PerRole, cached_perfectly, flops
from rsd_graph.answer.ledger import add, empty_ledger, usage
from rsd_graph.answer.prices import Price, Prices, cost, costs

ONE = PerRole(1, 1, 1)
PRICE = Price(10, 40, cached=1)
PRICES = Prices(draft=PRICE, target=PRICE, prm=PRICE)
SILENT = {"prm": usage(prompt_tokens=500), "kept_draft_tokens": 60, "discarded_draft_tokens": 40}


def ledger(**entry: Any) -> Any:
    return add(empty_ledger(), entry)


def test_a_silent_prm_computed_all_it_read_or_only_what_was_drafted() -> None:
    """500 prompt tokens in five scores of 100 drafted tokens: 1,000 FLOPs, or 200."""
    spent = flops(ledger(**SILENT), ONE)

    assert spent == {"decode_only": 0, "full": 2 * 500, "full_if_cached": 2 * 100}


def test_what_is_reported_is_one_number() -> None:
    """A server that says what it cached, be it nothing, leaves nothing open."""
    told = {**SILENT, "prm": usage(prompt_tokens=500, cached_tokens=0)}

    assert flops(ledger(**told), ONE) == {"decode_only": 0, "full": 2 * 500}
    assert costs(ledger(**told), PRICES) == {"cost": 500 * 10 / 1e6}


def test_money_has_the_same_two_ends() -> None:
    """At most every prompt token in full, at least the cached price for all but the drafts."""
    assert costs(ledger(**SILENT), PRICES) == {
        "cost": 500 * 10 / 1e6,
        "cost_if_cached": (100 * 10 + 400 * 1) / 1e6,
    }
    assert costs(ledger(**SILENT), None) == {"cost": None}


def test_one_price_for_all_tokens_leaves_nothing_open() -> None:
    """Whoever pays cached tokens in full need not know."""
    flat = Price(10, 40)
    spent = costs(ledger(**SILENT), Prices(draft=flat, target=flat, prm=flat))

    assert spent == {"cost": 500 * 10 / 1e6}


def test_silent_writers_may_have_cached_everything() -> None:
    """What a draft or target reads it may have written, or been asked before."""
    spent = flops(
        ledger(
            draft=usage(prompt_tokens=300, completion_tokens=30),
            target=usage(prompt_tokens=200, completion_tokens=20),
        ),
        ONE,
    )

    assert spent == {"decode_only": 2 * 50, "full": 2 * 550, "full_if_cached": 2 * 50}


def test_what_was_reported_stays() -> None:
    """Of a mixture of silent and telling calls, at least what was told came from the cache."""
    told, silent = usage(prompt_tokens=100, cached_tokens=90), usage(prompt_tokens=50)
    mixed = ledger(prm=told, kept_draft_tokens=120)
    mixed = add(mixed, {"prm": silent})

    assert cached_perfectly(mixed)["prm"]["cached_tokens"] == 90
    assert cached_perfectly(ledger(prm=told)) == ledger(prm=told)


def test_the_other_end_costs_no_more() -> None:
    """It is the lower one, and all else of the ledger is as it was."""
    other = cached_perfectly(ledger(**SILENT))

    assert cost(other, PRICES) <= cost(ledger(**SILENT), PRICES)
    assert {**other, "prm": None} == {**ledger(**SILENT), "prm": None}
