"""Three real llama.cpp servers to a role: the answers of one, most prompts cached, one killed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")

from rsd_graph import ChatRSD
from rsd_graph.embedded.engine import Engine
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.providers.http import replicas

QUESTIONS = [problem.question for problem in held_out_problems(6)]


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    started = [Engine() for _ in range(3)]
    yield started
    for engine in started:
        engine.close()


def over(engines: list[Engine]) -> ChatRSD:
    """RSD over all servers of these engines."""

    def hosts(role: str) -> str:
        at = [engine.endpoint(role).url.split("/")[2] for engine in engines]
        return f"llamacpp+http://{','.join(at)}/v1#{role}"

    prm = f"recompute+{hosts('prm')}"
    return ChatRSD(draft=hosts("draft"), target=hosts("target"), prm=prm, lookahead=2, hedge=0.2)


async def test_the_answers_are_those_of_one_server(engines: list[Engine]) -> None:
    """Look-ahead and hedge included; and most of what is read is in the server's cache."""
    expected = [answer.text for answer in await ChatRSD().abatch(QUESTIONS)]

    answers = await over(engines).abatch(QUESTIONS)

    assert [answer.text for answer in answers] == expected


async def cached_share(model: ChatRSD) -> float:
    """Of the draft's prompt tokens."""
    answers = [await model.ainvoke(question) for question in QUESTIONS]
    spent = [answer.response_metadata["rsd"]["ledger"]["draft"] for answer in answers]
    read = sum(one["prompt_tokens"] for one in spent)
    return float(sum(one["cached_tokens"] for one in spent) / read)


async def test_what_an_answer_has_said_is_read_once(
    engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scattered over the servers, each request reads what another server wrote."""
    together = await cached_share(over(engines))
    several = [Engine() for _ in range(3)]
    turns = itertools.count()
    monkeypatch.setattr(replicas, "current_session", lambda: str(next(turns)))

    scattered = await cached_share(over(several))

    for engine in several:
        engine.close()
    assert together > scattered


async def test_a_killed_server_loses_no_step(engines: list[Engine]) -> None:
    """Each of its answers goes on elsewhere, with the same words."""
    expected = [answer.text for answer in await ChatRSD().abatch(QUESTIONS)]
    model = over(engines)

    said = []
    for number, question in enumerate(QUESTIONS):
        text = ""
        async for chunk in model.astream(question):
            text += chunk.text
            if number == 2 and len(text) > 1:
                engines[0].close()
        said.append(text)

    assert said == expected
