"""Entries of a ledger as type checkers see them. Checked by mypy, never run.

An ignored error that is none fails the check (`warn_unused_ignores` is part of strict), so these
lines hold both ways: what is right passes, what is misspelt does not.
"""

from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import Entry, add, empty_ledger, usage

entry: Entry = {"draft": usage(completion_tokens=3), "drafted_steps": 1}
books = Books(add(empty_ledger(), entry, {"cancelled_calls": 1}, empty_ledger()))
books.enter({"kept_draft_tokens": 3})
tokens: int = books.ledger["draft"]["completion_tokens"]

books.enter({"kept_draft_token": 3})  # type: ignore[typeddict-unknown-key]
add(empty_ledger(), {"drafted_step": 1})  # type: ignore[arg-type]
misspelt: Entry = {"cancelled_call": 1}  # type: ignore[typeddict-unknown-key]
not_counted: Entry = {"drafted_steps": "one"}  # type: ignore[typeddict-item]
books.ledger["target_step"]  # type: ignore[typeddict-item]
