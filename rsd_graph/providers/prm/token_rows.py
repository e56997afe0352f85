"""PRMs that report something for every token: a token classifier, or a value head."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.recent import Recent
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import RewardError
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.prm.each import all_or_none
from rsd_graph.providers.prm.format import question_of
from rsd_graph.providers.wires.completions_api import PoolingAnswer, TokenIds, named

_REMEMBERED_TEXTS = 4096


@dataclass(frozen=True, slots=True)
class RowsFormat:
    """A PRM whose verdict on a step stands at the tag after it.

    Attributes:
        name: The family, as endpoint strings name it.
        question: What is written before the steps; `{question}` is what was asked.
        tag: What is written after every step. Its last token is the one that is read.
        columns: Numbers per token.
        read: Those numbers -> the reward.
        reward_range: Lowest and highest reward.
        route: Where it is asked.
        fields: What else is sent.
    """

    name: str
    question: str
    tag: str
    columns: int
    read: Callable[[Sequence[float]], float]
    reward_range: tuple[float, float]
    route: str = "/pooling"
    fields: Mapping[str, Any] | None = None


def _sigmoid(row: Sequence[float]) -> float:
    """Of the only number; the clamp keeps exp from overflowing, and changes nothing else."""
    return 1 / (1 + math.exp(min(-row[0], 700.0)))


PURE = RowsFormat(
    name="pure",
    question="{question}",
    tag="\n",
    columns=2,
    read=lambda row: row[1] - row[0],
    reward_range=(-1.0, 1.0),
    fields={"use_activation": True},
)
"""PURE-PRM-7B (a `Qwen2ForTokenClassification`, which vLLM serves as it is): P(good) - P(bad)."""

SKYWORK = RowsFormat(
    name="skywork",
    question="<|endoftext|>{question}\n",
    tag="\n",
    columns=1,
    read=_sigmoid,
    reward_range=(0.0, 1.0),
    fields={"use_activation": False},
)
"""Skywork-o1-Open-PRM behind `examples/skywork_server.py`, with the tag of its own documentation.
The question follows the tokenizer's BOS."""

SKYWORK_PAPER = RowsFormat(
    name="skywork-paper",
    question="<|endoftext|>{question}\n",
    tag="\n\n",
    columns=1,
    read=_sigmoid,
    reward_range=(0.0, 1.0),
    route="/v1/embeddings",
)
"""The same model as the paper's code asks it: `/v1/embeddings` of vLLM 0.6.4.post1 with Skywork's
plugin, and the separator of the generators as the tag."""


class TokenRowsPRM:
    """One request for a whole run: the steps as token ids, a row of numbers back for each token.

    Every piece is tokenized on its own, as the authors' code does, so that each step's tag is
    where we put it and nothing inside a step can be taken for one.
    """

    def __init__(self, endpoint: Endpoint, format: RowsFormat) -> None:
        self._client = Client(endpoint)
        self._format = format
        self._remembered: Recent[str, list[int]] = Recent(_REMEMBERED_TEXTS)

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is served."""
        return self._client.endpoint

    @property
    def reward_range(self) -> tuple[float, float]:
        """The format's."""
        return self._format.reward_range

    def __repr__(self) -> str:
        """Family and address, never the key."""
        return f"{type(self).__name__}({self._format.name}, {self.endpoint})"

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await listed_models(self._client)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; `step_rewards` holds the settled steps' rewards too.

        Raises:
            RewardError: Not one row per token.
            ProviderError: The endpoint failed.
        """
        started = time.perf_counter()
        ids, marks = await self._marked(prefix, candidates)
        body = {"input": ids, "encoding_format": "float", **(self._format.fields or {})}
        body = named(self.endpoint, body)
        answer = await self._client.post(self._format.route, body, PoolingAnswer)
        rows = answer.rows
        self._check(rows, len(ids))
        rewards = [self._format.read(rows[mark]) for mark in marks]
        usage: Usage = {**answer.usage.spent, "ms": (time.perf_counter() - started) * 1000}
        return Scores(rewards[len(prefix.steps) :], usage, step_rewards=rewards)

    async def _marked(
        self, prefix: Prefix, candidates: Sequence[Candidate]
    ) -> tuple[list[int], list[int]]:
        """The token ids, and where among them each step's verdict stands."""
        question = self._format.question.format(question=question_of(prefix.conversation))
        steps = [step["text"] for step in (*prefix.steps, *candidates)]
        ids, tag, *pieces = await all_or_none(
            self._tokens(text) for text in (question, self._format.tag, *steps)
        )
        ids, marks = list(ids), list[int]()
        for piece in pieces:
            ids += [*piece, tag[-1]]
            marks.append(len(ids) - 1)
        return ids, marks

    async def _tokens(self, text: str) -> list[int]:
        """The ids of *text*, remembered: settled steps come again with every score."""
        if text not in self._remembered:
            body = named(self.endpoint, {"prompt": text, "add_special_tokens": False})
            answer = await self._client.post("/tokenize", body, TokenIds)
            self._remembered[text] = answer.tokens
        return self._remembered[text]

    def _check(self, rows: Sequence[Sequence[float]], tokens: int) -> None:
        """Fewer rows (a prefix cache, a truncation, another pooling) would shift every reward."""
        columns = self._format.columns
        if len(rows) != tokens or any(len(row) != columns for row in rows):
            raise RewardError(
                f"{len(rows)} rows of {sorted({len(row) for row in rows})} numbers "
                f"for {tokens} tokens.",
                role="prm",
                endpoint=str(self.endpoint),
                expected=f"one row of {columns} per token",
                hint=f"Is this a PRM of the family {self._format.name!r}, without pooling?",
            )
