"""docs/compatibility.md says what the tests say."""

from __future__ import annotations

from rsd_graph.providers.address import PROVIDERS
from rsd_graph.providers.registry import FAMILIES
from tests.helpers.compatibility import PAGE, family_words, page, provider_words, uses


def test_the_page_is_up_to_date() -> None:
    """If not, run `python -m tests.helpers.compatibility`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_provider_and_family_is_tested() -> None:
    """No name can be used in an endpoint string that no test asks for a reward or a step."""
    words = [provider_words(name) for name in PROVIDERS.built_in]
    words += [family_words(name) for name in FAMILIES.built_in]

    assert [each for each in words if not any(each & use.words for use in uses())] == []
