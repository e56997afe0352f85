"""PRMs whose verdict on a step stands at a tag of ordinary text: token classifiers, value heads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import timed
from rsd_graph.answer.recent import Recent
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.prm.each import all_or_none
from rsd_graph.providers.prm.format import question_of
from rsd_graph.providers.prm.pooling_route import Pooled, Pooling, PoolingRoute, sigmoid
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.completions_api import TokenIds, named

_REMEMBERED_TEXTS = 4096


@dataclass(frozen=True, slots=True)
class RowsFormat:
    """A PRM whose verdict on a step stands at the tag after it.

    Attributes:
        name: The family, as endpoint strings name it.
        question: What is written before the steps; `{question}` is what was asked.
        tag: What is written after every step. Its last token is the one that is read.
        columns: Numbers per token; two are the probabilities of bad and good.
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
    fields: Mapping[str, object] | None = None


def _sigmoid_of_value(row: Sequence[float]) -> float:
    return sigmoid(row[0])


PURE = RowsFormat(
    name="pure",
    question="{question}",
    tag="\n",
    columns=2,
    read=lambda row: row[1] - row[0],
    reward_range=(-1.0, 1.0),
    fields={"use_activation": True},
)
"""PURE-PRM-7B: P(good) - P(bad). vLLM serves it as it is (`Qwen2ForTokenClassification`, a row for
each token) or, with one flag, as a classifier of the last token (docs/scorers.md)."""

SKYWORK = RowsFormat(
    name="skywork",
    question="<|endoftext|>{question}\n",
    tag="\n",
    columns=1,
    read=_sigmoid_of_value,
    reward_range=(0.0, 1.0),
    fields={"use_activation": False},
)
"""Skywork-o1-Open-PRM on vLLM with the plug-in `rsd-vllm-prm`, or split by `rsd-graph split-prm`,
with the tag of its own documentation. The question follows the tokenizer's BOS."""

SKYWORK_PAPER = RowsFormat(
    name="skywork-paper",
    question="<|endoftext|>{question}\n",
    tag="\n\n",
    columns=1,
    read=_sigmoid_of_value,
    reward_range=(0.0, 1.0),
    route="/v1/embeddings",
)
"""The same model as the paper's code asks it: `/v1/embeddings` of vLLM 0.6.4.post1 with Skywork's
plugin, and the separator of the generators as the tag."""


class TokenRowsPRM(Served):
    """One request for a whole run: the steps as token ids, and the verdicts at their tags back.

    A server that reports a row for each token is sent the whole run; one that judges the last token
    (see `PoolingPRM`) is sent a list of prompts, each ending in the tag of one more step.

    Every piece is tokenized on its own, as the authors' code does, so that each step's tag is
    where we put it and nothing inside a step can be taken for one.
    """

    providers = ("vllm",)
    """Servers that have its routes."""

    def __init__(self, endpoint: Endpoint, format: RowsFormat) -> None:
        super().__init__(endpoint)
        self._format = format
        self._route = PoolingRoute(
            self._client, columns=format.columns, path=format.route, fields=format.fields
        )
        self._remembered: Recent[str, list[int]] = Recent(_REMEMBERED_TEXTS)

    @property
    def family(self) -> str:
        """The name of its format."""
        return self._format.name

    @property
    def pooling(self) -> Pooling | None:
        """How the server pools; `None` until it has answered."""
        return self._route.pooling

    @property
    def reward_range(self) -> tuple[float, float]:
        """The format's."""
        return self._format.reward_range

    def __repr__(self) -> str:
        """Family and address, never the key."""
        return f"{type(self).__name__}({self._format.name}, {self.endpoint})"

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; with a row for each token, `step_rewards` holds all steps'.

        Raises:
            RewardError: Not one row per token and not one verdict per step.
            ProviderError: The endpoint failed.
        """
        started = time.perf_counter()
        ids, marks = await self._marked(prefix, candidates)
        pooled = await self._route.ask([ids[: mark + 1] for mark in marks[len(prefix.steps) :]])
        with kept_on_error([pooled.usage]):
            self._check(pooled, len(candidates), len(ids))
        is_every_token = pooled.pooling == "rows"
        verdicts = [pooled.rows[mark] for mark in marks] if is_every_token else pooled.rows
        rewards = [self._format.read(verdict) for verdict in verdicts]
        every_step = rewards if is_every_token else []
        spent = timed(pooled.usage, started)
        return Scores(rewards[-len(candidates) :], spent, step_rewards=every_step)

    def _check(self, pooled: Pooled, candidates: int, tokens: int) -> None:
        self._route.check(pooled, candidates, tokens, "tokens")
        if self._format.columns == 2:
            self._route.check_probabilities(pooled, "Is this PRM's head a softmax over two labels?")

    async def _marked(
        self, prefix: Prefix, candidates: Sequence[Candidate]
    ) -> tuple[list[int], list[int]]:
        """The token ids, and where among them each step's verdict stands."""
        question = self._format.question.format(question=question_of(prefix.conversation))
        steps = [step["text"] for step in (*prefix.steps, *candidates)]
        ids, tag, *pieces = await all_or_none(
            self._tokens(text) for text in (question, self._format.tag, *steps)
        )
        if not tag:
            raise self._client.malformed("the PRM's tag has no tokens")
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
