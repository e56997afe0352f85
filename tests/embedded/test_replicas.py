"""Three real llama.cpp servers to a role: the answers of one, most prompts cached, one killed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")

from benchmarks.replicas import engines, over
from rsd_graph import ChatRSD
from rsd_graph.embedded.engine import Engine
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.providers.http import replicas

QUESTIONS = [problem.question for problem in held_out_problems(6)]


@pytest.fixture
def servers() -> Iterator[list[Engine]]:
    with engines() as started:
        yield started


async def test_the_answers_are_those_of_one_server(servers: list[Engine]) -> None:
    """Look-ahead and hedge included."""
    expected = [answer.text for answer in await ChatRSD().abatch(QUESTIONS)]

    answers = await over(servers).abatch(QUESTIONS)

    assert [answer.text for answer in answers] == expected


async def cached_share(model: ChatRSD) -> float:
    """Of the draft's prompt tokens."""
    answers = [await model.ainvoke(question) for question in QUESTIONS]
    spent = [answer.response_metadata["rsd"]["ledger"]["draft"] for answer in answers]
    read = sum(one["prompt_tokens"] for one in spent)
    return float(sum(one["cached_tokens"] for one in spent) / read)


async def test_what_an_answer_has_said_is_read_once(
    servers: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scattered over the servers, each request reads what another server wrote."""
    together = await cached_share(over(servers))
    turns = itertools.count()
    monkeypatch.setattr(replicas, "current_session", lambda: str(next(turns)))

    with engines() as others:
        scattered = await cached_share(over(others))

    assert together > scattered


async def test_a_killed_server_loses_no_step(servers: list[Engine]) -> None:
    """Each of its answers goes on elsewhere, with the same words."""
    expected = [answer.text for answer in await ChatRSD().abatch(QUESTIONS)]
    model = over(servers)

    said = []
    for number, question in enumerate(QUESTIONS):
        text = ""
        async for chunk in model.astream(question):
            text += chunk.text
            if number == 2 and len(text) > 1:
                servers[0].close()
        said.append(text)

    assert said == expected
