"""Who answers questions that are words: the chat model's graph, once for each."""

from __future__ import annotations

from contextlib import aclosing

from rsd_graph.answer.state import initial_state
from rsd_graph.answer.steps import answer_text
from rsd_graph.chat_models import ChatRSD
from rsd_graph.lab.batch.work import Ask, blank_record
from rsd_graph.lab.grading.boxed import last_boxed
from rsd_graph.lab.journal import Record
from rsd_graph.lab.question import Question
from rsd_graph.runtime.run import settled_steps


def asking(llm: ChatRSD, system: str | None, seed: int) -> Ask:
    """Asks *llm*; nobody judges, and the record has the answer's last word.

    Args:
        llm: Who answers.
        system: System prompt of every question.
        seed: Root of all sampling.
    """

    async def ask(question: Question) -> Record:
        record = blank_record(question)
        state = initial_state(question.text, system=system, seed=seed)
        async with aclosing(settled_steps(llm.graph, state)) as laps:
            async for lap in laps:
                record["steps"] += lap.steps
        record["text"] = answer_text(record["steps"], llm.step_separator)
        record["ledger"], record["finish_reason"] = lap.ledger, lap.finish_reason
        record["answer"] = final_answer(record["text"])
        return record

    return ask


def final_answer(text: str) -> str:
    """What is in the last box, else the last step."""
    return last_boxed(text) or text.rpartition("\n\n")[2].strip()
