"""A tool-calling agent on RSD: draft and target propose actions, a rule of yours scores them.

Needs `pip install langchain` and two servers that offer OpenAI's chat API with tools, such as vLLM
with `--enable-auto-tool-choice --tool-call-parser hermes`:

RSD_DRAFT=vllm+http://gpu1:8000/v1#Qwen/Qwen2.5-1.5B-Instruct
RSD_TARGET=vllm+http://gpu2:8000/v1#Qwen/Qwen2.5-7B-Instruct
"""

from __future__ import annotations

import os

from langchain.agents import create_agent
from langchain_core.tools import tool

from rsd_graph import ChatRSD
from rsd_graph.providers.prm import FunctionPRM


@tool
def get_weather(location: str) -> str:
    """Get the weather at a location."""
    return f"It is sunny in {location}."


def reward(question: str, steps: list[str]) -> float:
    """Look the weather up before talking about it; any PRM endpoint could stand here instead."""
    has_looked_it_up = any("<tool_response>" in step for step in steps)
    calls_a_tool = "<tool_call>" in steps[-1]
    return 1.0 if has_looked_it_up != calls_a_tool else 0.0


def main() -> None:
    """Run the agent and show who chose each action."""
    llm = ChatRSD(
        draft=os.environ["RSD_DRAFT"], target=os.environ["RSD_TARGET"], prm=FunctionPRM(reward)
    )
    agent = create_agent(llm, [get_weather])
    result = agent.invoke({"messages": [("user", "What is the weather in 'Lisbon'?")]})
    for message in result["messages"]:
        message.pretty_print()
        for step in message.response_metadata.get("rsd", {}).get("steps", []):
            print(f"(by the {step['source']}, reward {step['reward']})")


if __name__ == "__main__":
    main()
