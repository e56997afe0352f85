"""Shards share the questions among workers that do not know of each other."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.batch.shard import Shard


@given(st.text(), st.integers(1, 50))
def test_every_question_is_in_one_shard(key: str, count: int) -> None:
    """Whatever its id or text is, half a surrogate pair included."""
    shards = [Shard(index, count) for index in range(count)]

    assert sum(shard.holds(key) for shard in shards) == 1


def test_shards_stay_what_they_are() -> None:
    """The hash is the same on every machine, in every version: runs go on where they stopped."""
    found = [next(i for i in range(8) if Shard(i, 8).holds(f"q/{n}")) for n in range(12)]

    assert found == [2, 5, 6, 5, 2, 3, 4, 3, 1, 6, 5, 4]


def test_shards_are_of_nearly_equal_size() -> None:
    """Of 8,000 ids in 8 shards none has 10 % more or fewer than its share."""
    sizes = [sum(Shard(i, 8).holds(f"q/{n}") for n in range(8000)) for i in range(8)]

    assert max(abs(size - 1000) for size in sizes) < 100


@pytest.mark.parametrize("text", ["8/8", "-1/8", "0/0", "9/8"])
def test_a_number_out_of_range_is_refused(text: str) -> None:
    """The error says where counting begins."""
    with pytest.raises(ConfigurationError, match=rf"no shard {text}.*count from 0"):
        Shard.parsed(text)


@pytest.mark.parametrize("text", ["", "3", "a/b", "1/2/3", "1.0/2", " 1/2"])
def test_what_names_no_shard_is_refused(text: str) -> None:
    """With an example of one that does."""
    with pytest.raises(ConfigurationError, match="such as 0/8"):
        Shard.parsed(text)
