"""Two real vLLM servers of one draft: by our own hashing, behind routers, and one of them killed.

Target and PRM are the embedded ones. What was asked where, and what was cached, is what each server
counted itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from unittest.mock import patch

import pytest

from benchmarks.replicas_on_vllm import counted, ours, two_engines
from benchmarks.router_programs import ROUTERS, Router, behind, running
from rsd_graph import ChatRSD, Endpoint
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.providers.http import replicas
from tests.live.conftest import together
from tests.live.servers import kill, vllm

pytestmark = pytest.mark.live

STORIES = [problem.question for problem in held_out_problems(60)]
QUESTIONS, SOME, OTHERS = STORIES[:12], STORIES[12:36], STORIES[36:]
KEEPS = {"nginx": "hash", "vllm-router": "consistent_hash", "litellm": "session_affinity"}
"""Routers, and the setting with which they keep an answer where it is."""


@pytest.fixture(scope="module")
def drafts(venvs: Path, logs: Path) -> Iterator[Sequence[Endpoint]]:
    """Two of them, with the same model under the same name."""
    folders = {number: logs / f"replica-{number}" for number in range(2)}
    for folder in folders.values():
        folder.mkdir()
    servers = {
        f"{number}": vllm(venvs / "vllm", MODELS / "draft", folder, name="draft")
        for number, folder in folders.items()
    }
    for started in together(servers):
        yield list(started.values())


def drafted_by(draft: str, **options: int) -> ChatRSD:
    """RSD with this draft."""
    return ChatRSD(
        draft=draft, target="embedded:target", prm="embedded:prm", max_step_tokens=64, **options
    )


def over(*drafts: Endpoint) -> ChatRSD:
    """RSD whose draft is on all of these."""
    return drafted_by(ours(drafts), lookahead=2)


async def asked(llm: ChatRSD, drafts: Sequence[Endpoint]) -> tuple[list[str], list[list[int]]]:
    """The answers, one after the other, and the tokens each server was sent for each."""
    texts, tokens = list[str](), list[list[int]]()
    for question in QUESTIONS:
        before = await counted(drafts)
        texts.append((await llm.ainvoke(question)).text)
        spent = [now - then for then, now in zip(before, await counted(drafts), strict=True)]
        tokens.append([one.queries for one in spent])
    return texts, tokens


async def cached_share(llm: ChatRSD, drafts: Sequence[Endpoint], questions: list[str]) -> float:
    """Of the prompt tokens that all read for questions that none has seen."""
    before = await counted(drafts)
    await llm.abatch(questions, config={"max_concurrency": 4})
    spent = [now - then for then, now in zip(before, await counted(drafts), strict=True)]
    return sum(one.hits for one in spent) / sum(one.queries for one in spent)


def homes(tokens: Sequence[Sequence[int]]) -> set[int]:
    """How many servers were asked for one answer."""
    return {sum(sent > 0 for sent in of_answer) for of_answer in tokens}


async def test_two_answer_as_one_and_an_answer_stays(drafts: Sequence[Endpoint]) -> None:
    """Look-ahead included: every request of an answer goes to one of the two, and both are used."""
    alone, _ = await asked(over(drafts[0]), drafts)

    texts, tokens = await asked(over(*drafts), drafts)

    assert texts == alone
    assert homes(tokens) == {1}
    assert all(sum(of_server) for of_server in zip(*tokens, strict=True))


async def test_the_prefix_cache_is_read(drafts: Sequence[Endpoint]) -> None:
    """More of it than where every request goes to the next server."""
    turns = count()
    with patch.object(replicas, "current_session", lambda: str(next(turns))):
        scattered = await cached_share(over(*drafts), drafts, SOME)

    kept = await cached_share(over(*drafts), drafts, OTHERS)

    assert kept > scattered


async def test_one_server_with_two_engines_is_told_which(venvs: Path) -> None:
    """`--data-parallel-size 2`: more is cached than where vLLM chooses, and the words stay."""
    with two_engines(venvs) as draft:
        server = drafted_by(ours([draft]))
        left_to_it = await cached_share(server, [draft], SOME)

        told = drafted_by(ours([draft], "?session_header=X-data-parallel-rank:2"))
        kept = await cached_share(told, [draft], OTHERS)

        assert (await told.ainvoke(SOME[0])).text == (await server.ainvoke(SOME[0])).text
    assert kept > left_to_it


@contextmanager
def asked_through(router: Router, venvs: Path, drafts: Sequence[Endpoint]) -> Iterator[ChatRSD]:
    """RSD whose drafts are behind a router, asked as any server with OpenAI's API."""
    installed = router.installed(venvs)
    if installed is None:
        pytest.skip(f"needs {router.name}")
    urls = [draft.url.removesuffix("/v1") for draft in drafts]
    with running(router, installed, urls, "draft") as url:
        yield drafted_by(behind(url, "draft"))


@pytest.mark.parametrize("name", KEEPS)
async def test_a_router_keeps_an_answer(name: str, venvs: Path, drafts: Sequence[Endpoint]) -> None:
    """By the header that every request carries, and nothing else of ours."""
    (router,) = (one for one in ROUTERS if one.name == name and KEEPS[name] in one.setting)
    alone, _ = await asked(over(drafts[0]), drafts)

    with asked_through(router, venvs, drafts) as llm:
        texts, tokens = await asked(llm, drafts)

    assert texts == alone
    assert homes(tokens) == {1}


async def test_one_is_killed_while_it_answers(drafts: Sequence[Endpoint]) -> None:
    """The answer goes on with the other, and no word of it changes."""
    alone = (await over(drafts[0]).ainvoke(QUESTIONS[0])).text
    before, text = await counted(drafts), ""

    async for chunk in over(*drafts).astream(QUESTIONS[0]):
        if not text:
            read = [one - then for then, one in zip(before, await counted(drafts), strict=True)]
            kill(drafts[0 if read[0].queries > read[1].queries else 1])
        text += chunk.text

    assert text == alone
    assert len(await counted(drafts)) == 1
