"""Three applications a stranger writes on the first day; each prints the answer to one story."""

STORY = """
story = (
    "Carl has 14 cards.\\nMonday buys 65.\\nTuesday sells 54.\\nWednesday finds 33.\\n"
    "How many cards?"
)
"""

CHAIN = f"""
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from rsd_graph import ChatRSD
{STORY}
chain = ChatPromptTemplate.from_messages([("user", "{{story}}")]) | ChatRSD() | StrOutputParser()
print(chain.invoke({{"story": story}}))
print(*chain.batch([{{"story": story}}] * 2))
"""

AGENT = f'''
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from rsd_graph import ChatRSD
{STORY}

@tool
def solve(story: str) -> str:
    """Solve a story about amounts."""
    return ChatRSD().invoke(story).text


def think(state: MessagesState) -> MessagesState:
    """Ask the tool first, then repeat what it said."""
    last = state["messages"][-1]
    if last.type == "tool":
        return {{"messages": [AIMessage(last.content)]}}
    call = {{"name": "solve", "args": {{"story": last.content}}, "id": "1"}}
    return {{"messages": [AIMessage("", tool_calls=[call])]}}


agent = StateGraph(MessagesState)
agent.add_node("think", think)
agent.add_node("tools", ToolNode([solve]))
agent.add_edge(START, "think")
agent.add_conditional_edges("think", tools_condition)
agent.add_edge("tools", "think")
print(agent.compile().invoke({{"messages": [("user", story)]}})["messages"][-1].content)
'''

SERVICE = f'''
import json, threading, urllib.request
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from rsd_graph import ChatRSD
{STORY}
llm = ChatRSD()


async def solve(request: Request) -> StreamingResponse:
    """Each settled step as a server-sent event."""
    question = (await request.json())["text"]

    async def events():
        async for chunk in llm.astream(question):
            yield f"data: {{json.dumps(chunk.text)}}\\n\\n"

    return StreamingResponse(events(), media_type="text/event-stream")


app = Starlette(routes=[Route("/solve", solve, methods=["POST"])])
server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
thread = threading.Thread(target=server.run)
thread.start()
while not server.started:
    thread.join(0.05)
port = server.servers[0].sockets[0].getsockname()[1]
body = json.dumps({{"text": story}}).encode()
with urllib.request.urlopen(f"http://127.0.0.1:{{port}}/solve", body) as answer:
    for line in answer:
        print(line.decode().strip())
server.should_exit = True
thread.join()
'''
