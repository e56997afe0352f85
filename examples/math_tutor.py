"""A math tutor in one LangChain chain: prompt, ChatRSD, parser. Runs on the shipped models."""

from __future__ import annotations

import re

from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from rsd_graph import ChatRSD

PROBLEM = """{name} has 39 stamps.
Monday drops 32.
Tuesday loses 3.
Wednesday wins 91.
Thursday sells 11.
How many stamps?"""


def read_answer(text: str) -> str:
    r"""What stands in the last \boxed{...}."""
    found = re.findall(r"\\boxed\{([^}]*)\}", text)
    return found[-1] if found else "no answer"


def main() -> None:
    """Ask the tutor twice: once streamed, once for the answer alone."""
    tutor = ChatPromptTemplate.from_messages([("user", PROBLEM)]) | ChatRSD()

    # The same chain streams each step the moment it is settled ...
    for chunk in tutor.stream({"name": "Hana"}):
        print(chunk.text, end="", flush=True)

    # ... and goes on: here into a dictionary with the explanation and the answer.
    lesson = tutor | RunnableLambda(lambda message: {"explanation": message.text})
    lesson |= RunnablePassthrough.assign(answer=lambda lesson: read_answer(lesson["explanation"]))
    print("\n\nAnswer:", lesson.invoke({"name": "Greg"})["answer"])


if __name__ == "__main__":
    main()
