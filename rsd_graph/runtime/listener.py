"""Hearing what happens inside an answer, from outside, by LangChain's own way: its callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager

from rsd_graph.answer.events import Event
from rsd_graph.answer.ledger import Ledger


class AnswerListener(BaseCallbackHandler):
    """Hears of the steps of an answer while they are decided, and what it has cost in the end.

        llm.invoke(question, {"callbacks": [AnswerListener(on_event=print)]})

    Args:
        on_event: Called with each event (see `rsd_graph.answer.events`) the moment it happens.
        on_end: Called once with all the answer has spent, however it ends: finished, failed, or
            cancelled because nobody listens any more.
    """

    # It is told by us, not by LangChain.
    ignore_llm = ignore_chat_model = ignore_chain = ignore_agent = True
    ignore_retriever = ignore_retry = ignore_custom_event = True

    def __init__(
        self,
        on_event: Callable[[Event], object] | None = None,
        on_end: Callable[[Ledger], object] | None = None,
    ) -> None:
        self.on_event = on_event
        self.on_end = on_end


def listeners(callbacks: BaseCallbackManager | None) -> Sequence[AnswerListener]:
    """Those among *callbacks* that want to hear of an answer."""
    handlers = callbacks.handlers if callbacks else ()
    return [handler for handler in handlers if isinstance(handler, AnswerListener)]
