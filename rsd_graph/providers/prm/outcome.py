"""Outcome reward models: a classifier that rates the answer so far as a whole."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Candidate, Message
from rsd_graph.errors import CapabilityError, RewardError
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.answers import Count, ListOf, Shape, decoded
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.prm.each import score_each
from rsd_graph.providers.prm.format import question_of
from rsd_graph.providers.prm.pooling_route import not_every_router_has
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.completions_api import PoolingAnswer, named

Ask = Callable[[Client, Sequence[Message], str], Awaitable[tuple[list[float], Usage]]]
"""(client, conversation, answer so far) -> what the classifier says, one number per class."""

Describe = Callable[[Client], Awaitable[ServerFacts]]


class _Prediction(Shape):
    score: float


class _Info(Shape):
    model_id: str
    max_input_length: Count


async def vllm_classify(
    client: Client, conversation: Sequence[Message], answer: str
) -> tuple[list[float], Usage]:
    """vLLM's `/classify` with the conversation as a chat; the raw number, not its sigmoid."""
    messages = [*conversation, Message(role="assistant", content=answer)]
    body = {"messages": messages, "add_generation_prompt": False, "use_activation": False}
    with not_every_router_has("/classify"):
        reply = await client.post("/classify", named(client.endpoint, body), PoolingAnswer)
    return [number for row in reply.rows for number in row], reply.usage.spent


async def tei_predict(
    client: Client, conversation: Sequence[Message], answer: str
) -> tuple[list[float], Usage]:
    """`/predict` of Text Embeddings Inference with the pair (question, answer); the raw number.

    Without `truncate: false` it cuts what is too long and says nothing.
    """
    body = {"inputs": [question_of(conversation), answer], "truncate": False, "raw_scores": True}
    reply, headers = await client.post_with_headers("/predict", body, ListOf[_Prediction])
    tokens = decoded(headers.get("x-compute-tokens", "").encode(), Count, client.endpoint)
    numbers = [prediction.score for prediction in reply]
    return numbers, usage(prompt_tokens=tokens, cached_tokens=0)


async def tei_info(client: Client) -> ServerFacts:
    """Text Embeddings Inference's `/info`; its context holds the question and the answer."""
    info = await client.get("/info", _Info)
    return ServerFacts((info.model_id,), info.max_input_length)


class OutcomeRM(Served):
    """Rewards the answer so far, step by step: Skywork-Reward and other one-label classifiers.

    The paper's AlpacaEval experiment used Skywork-Reward-Llama-3.1-8B-v0.2 this way, with delta 0.
    Rewards are unbounded and comparable only between answers to the same question.

    Args:
        endpoint: Where the classifier is served.
        ask: The server's route.
        describe: How the server tells about itself.
    """

    providers = ("vllm",)
    """Servers that have the usual route."""
    reward_range = (-math.inf, math.inf)

    def __init__(
        self, endpoint: Endpoint, ask: Ask = vllm_classify, describe: Describe = listed_models
    ) -> None:
        super().__init__(endpoint)
        self._ask = ask
        self._describe = describe

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await self._describe(self._client)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`: one request per candidate, all at once.

        Raises:
            RewardError: The model has more than one label.
            ProviderError: The endpoint failed.
        """

        async def judge(steps: list[str]) -> tuple[float, Usage]:
            answer = prefix.separator.join(steps)
            numbers, spent = await self._ask(self._client, prefix.conversation, answer)
            with kept_on_error([spent]):
                return self._only(numbers), spent

        return await score_each(prefix, candidates, judge)

    def _only(self, numbers: Sequence[float]) -> float:
        if len(numbers) != 1:
            raise self.endpoint.in_role("prm").error(
                RewardError,
                f"the classifier has {len(numbers)} labels.",
                expected="a reward model, with one label",
                hint="Which label means good is not said anywhere: wrap it in a FunctionPRM.",
            )
        return numbers[0]


def tei(endpoint: Endpoint) -> OutcomeRM:
    """The outcome reward model behind `tei+http://...`.

    Raises:
        CapabilityError: It is to sit in the draft's or the target's seat.
    """
    if endpoint.role in ("draft", "target"):
        words, expected = "Text Embeddings Inference writes no text.", "prm='orm+tei+http://...'"
        raise endpoint.error(CapabilityError, words, expected=expected)
    return OutcomeRM(endpoint, tei_predict, tei_info)
