"""What a ledger comes to in FLOPs, in both accountings."""

from __future__ import annotations

from typing import Any

from rsd_graph import PerRole, flops
from rsd_graph.answer.flops import cached_perfectly, decoded_tokens, processed_tokens
from rsd_graph.answer.ledger import add, add_usage, empty_ledger, usage

SPENT: Any = {
    "draft": usage(prompt_tokens=1000, completion_tokens=70, cached_tokens=300),
    "target": usage(prompt_tokens=2000, completion_tokens=80),
    "prm": usage(prompt_tokens=4000, completion_tokens=5),
    "scored_steps": 9,
    "kept_draft_tokens": 40,
    "discarded_draft_tokens": 20,
    "cancelled_draft_tokens": 11,
    "cancelled_target_tokens": 13,
    "cancelled_target_prompt_tokens": 17,
}
"""Different numbers everywhere: no two sums can be taken for one another."""


def test_what_is_decoded_and_what_is_processed() -> None:
    """Cancelled work is in both; a cache saves processing, and a PRM decodes a token a step."""
    ledger = add(empty_ledger(), SPENT)

    assert decoded_tokens(ledger) == PerRole(draft=81, target=93, prm=9)
    assert processed_tokens(ledger) == PerRole(draft=781, target=2110, prm=4005)


def test_a_prm_that_generates_decodes_what_it_generates() -> None:
    """Not one token a step, if it is more."""
    ledger = add(empty_ledger(), {**SPENT, "prm": usage(completion_tokens=10)})

    assert decoded_tokens(ledger).prm == 10


def test_who_is_silent_may_have_cached_all_but_what_was_drafted() -> None:
    """A server that says what it cached is believed, and the ledger itself stays as it is."""
    ledger = add(empty_ledger(), SPENT)
    cached = cached_perfectly(ledger)

    assert (ledger["target"]["cached_tokens"], ledger["prm"]["cached_tokens"]) == (0, 0)
    assert cached["draft"] == ledger["draft"]
    assert (cached["target"]["cached_tokens"], cached["prm"]["cached_tokens"]) == (2000, 3940)
    assert [cached[role]["cache_unreported_calls"] for role in ("target", "prm")] == [0, 0]
    assert cached["scored_steps"] == 9


def test_a_silent_draft_may_have_cached_its_whole_prompt() -> None:
    """It judges nothing."""
    ledger = add(empty_ledger(), {"draft": usage(prompt_tokens=70), "kept_draft_tokens": 9})

    assert cached_perfectly(ledger)["draft"]["cached_tokens"] == 70


def test_what_some_calls_reported_as_cached_stays() -> None:
    """Where the other calls' servers were silent."""
    some = add_usage(usage(prompt_tokens=10, cached_tokens=9), usage(prompt_tokens=20))
    ledger = add(empty_ledger(), {"prm": some, "kept_draft_tokens": 25})

    assert cached_perfectly(ledger)["prm"]["cached_tokens"] == 9


def test_flops_weigh_each_role_by_its_parameters() -> None:
    """Twice the parameters a token, of each model its own."""
    spent = flops(add(empty_ledger(), SPENT), PerRole(draft=1, target=10, prm=100))

    assert spent == {
        "decode_only": 2 * (81 + 10 * 93 + 100 * 9),
        "full": 2 * (781 + 10 * 2110 + 100 * 4005),
        "full_if_cached": 2 * (781 + 10 * 110 + 100 * 65),
    }
