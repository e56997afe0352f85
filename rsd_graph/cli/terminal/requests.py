"""Questions of a batch that are requests in the words of OpenAI's batch files."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

from rsd_graph.answer.ledger import add, empty_ledger
from rsd_graph.chat_models import ChatRSD
from rsd_graph.errors import InputError
from rsd_graph.lab.batch.words import final_answer
from rsd_graph.lab.batch.work import blank_record
from rsd_graph.lab.journal import Record
from rsd_graph.lab.question import Question
from rsd_graph.lab.questions.rows import Row
from rsd_graph.providers.prm.each import all_or_none
from rsd_graph.server.answers import Completion
from rsd_graph.server.catalog import Catalog
from rsd_graph.server.failures import RefusedError
from rsd_graph.server.requests import ChatRequest, read_request

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

URL = "/v1/chat/completions"


class Requests:
    """Reads such requests, and answers them as `rsd-graph serve` does.

    Args:
        llm: Who answers.
        name: What requests call it.
        seed: Of those that state none.
    """

    def __init__(self, llm: ChatRSD, name: str, seed: int) -> None:
        self._catalog = Catalog({name: llm})
        self._seed = seed

    def read(self, row: Row, source: str, index: int, where: str) -> Question:
        """A row as a question, whose text is its body.

        Raises:
            InputError: It is no request, or one with a field that cannot be honoured.
        """
        body, name = row.get("body"), row.get("custom_id")
        if not isinstance(name, str) or not isinstance(body, Mapping):
            raise InputError(
                f"{where} is no request.", expected="custom_id, a text, and body, an object"
            )
        if (method := row.get("method")) != "POST" or (url := row.get("url")) != URL:
            told = f"method {method!r}" if method != "POST" else f"url {url!r}"
            raise InputError(f"{where} has the {told}.", expected=f"POST and {URL}")
        text = json.dumps(body)
        try:
            self._honoured(read_request(text.encode()))
        except RefusedError as refused:
            failure = refused.failure
            raise InputError(
                f"{where} cannot be answered: {failure.message}",
                hint=f"That is the field {failure.param} of its body." if failure.param else None,
            ) from None
        return Question(f"{source}/{name}", text, None, "open", source=source)

    def _honoured(self, asked: ChatRequest) -> None:
        """Refuse all that would be passed over: nobody is there to notice it.

        Raises:
            RefusedError: `param` names it.
        """
        self._catalog.offered(asked.model)
        extra = [name for name, value in (asked.model_extra or {}).items() if value]
        streams = [name for name in ("stream", "stream_options") if getattr(asked, name)]
        if "events" in asked.rsd.include:
            streams.append("rsd.include")
        for name in (*extra, *streams):
            raise RefusedError(f"{name} means nothing in a batch.", param=name)
        if asked.n > 1 and not asked.temperature:
            raise RefusedError("n > 1 needs temperature > 0: greedy answers are equal.", param="n")

    async def ask(self, question: Question) -> Record:
        """The record of an answered request; its `response` is the body OpenAI's API would send.

        Raises:
            RSDError: Whatever stopped it.
        """
        asked = read_request(question.text.encode())
        completion = Completion(asked)
        messages = await all_or_none(self._choice(asked, n) for n in range(asked.n))
        told = messages[0].response_metadata["rsd"]
        record = blank_record(question)
        record["text"], record["answer"] = messages[0].text, final_answer(messages[0].text)
        record["steps"], record["finish_reason"] = told["steps"], told["finish_reason"]
        ledgers = [message.response_metadata["rsd"]["ledger"] for message in messages]
        record["ledger"] = add(empty_ledger(), *ledgers)
        record["response"] = completion.whole(messages)
        return record

    async def _choice(self, asked: ChatRequest, number: int) -> AIMessageChunk:
        offered = self._catalog.offered(asked.model)
        said = {"seed": self._seed + number, **offered.options, **asked.options(number)}
        options: dict[str, Any] = said  # LangChain's signature knows none of them
        chunks = offered.llm.astream(asked.conversation(), stop=asked.stops, **options)
        return reduce(operator.add, [chunk async for chunk in chunks])
