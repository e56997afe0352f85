"""One chain, several stacks: models and delta chosen by the config of each call.

Runs on the shipped models; the strings could name vLLM, llama.cpp, SGLang, TGI or Ollama servers.
"""

from __future__ import annotations

from langchain_core.runnables import ConfigurableField

from rsd_graph import ChatRSD

QUESTION = """Fay has 60 marbles.
Monday buys 5.
Tuesday finds 12.
Wednesday wins 5.
How many marbles?"""


def main() -> None:
    """Ask the same question of four stacks."""
    llm = ChatRSD().configurable_fields(
        delta=ConfigurableField(id="delta"),
        target=ConfigurableField(id="target"),
    )
    stacks = {
        "as it comes": {},
        "strict": {"delta": 0.99},
        "never ask the target": {"delta": 0.0},
        "draft as target": {"delta": 0.99, "target": "embedded:draft"},
    }
    for name, choice in stacks.items():
        # Copies made for a call share connections: nothing is opened twice.
        message = llm.with_config(configurable=choice).invoke(QUESTION)
        rsd = message.response_metadata["rsd"]
        accepted, rewritten = rsd["ledger"]["accepted_steps"], rsd["ledger"]["target_steps"]
        print(f"{name:>20}: {accepted} steps by the draft, {rewritten} by the target")


if __name__ == "__main__":
    main()
