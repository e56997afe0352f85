"""docs/options.md says what the declarations say."""

from __future__ import annotations

from tests.helpers.options_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    """If not, run `python -m tests.helpers.options_page`."""
    assert PAGE.read_text(encoding="utf-8") == page()
