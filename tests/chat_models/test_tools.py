"""Tools and structured output: the step under decision is the assistant's action."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel, Field

from rsd_graph import CapabilityError, ChatRSD, ConfigurationError, Prefix, Scores
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate
from tests.helpers.chat_support import functional
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_tool_server import CHAT, chat_reply


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def search(query: str) -> str:
    """Search the web."""
    return ""


@dataclass
class RecordingPRM:
    """Gives the scripted rewards (0.9 when none is left) and remembers what it was shown."""

    rewards: list[float] = field(default_factory=list)
    seen: list[tuple[list[Any], list[str], list[str]]] = field(default_factory=list)
    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        steps = [step["text"] for step in prefix.steps]
        self.seen.append(([*prefix.conversation], steps, [item["text"] for item in candidates]))
        return Scores([self.rewards.pop(0) if self.rewards else 0.9], usage())


class Acting:
    """A chat model whose draft and target answer chat requests from scripts."""

    def __init__(self, draft: FakeEndpoint, target: FakeEndpoint) -> None:
        self.draft, self.target, self.prm = draft, target, RecordingPRM()
        self.model = ChatRSD(
            draft=f"vllm+{draft.url}/v1#small", target=f"vllm+{target.url}/v1#large", prm=self.prm
        )

    def script(self, draft: Sequence[Any], target: Sequence[Any] = ()) -> None:
        self.draft.script(CHAT, *((200, reply) for reply in draft))
        self.target.script(CHAT, *((200, reply) for reply in target))

    def sent(self, to: FakeEndpoint) -> Any:
        """The only request that endpoint was sent."""
        (body,) = to.bodies(CHAT)
        return body


@pytest.fixture
async def acting() -> AsyncIterator[Acting]:
    async with FakeEndpoint() as draft, FakeEndpoint() as target:
        yield Acting(draft, target)


CALL = chat_reply(None, ("add", {"a": 3, "b": 4}))
ACTION = '<tool_call>\n{"name": "add", "arguments": {"a": 3, "b": 4}}\n</tool_call>'


def rsd(message: AIMessage) -> dict[str, Any]:
    return message.response_metadata["rsd"]  # type: ignore[no-any-return]


# -- the draft proposes, the PRM scores, the target acts instead -------------------------------


async def test_a_good_action_of_the_draft_is_the_answer(acting: Acting) -> None:
    """The draft's tool call is scored and accepted; the target is not asked."""
    acting.script([CALL])

    message = await acting.model.bind_tools([add]).ainvoke("What is 3 + 4?")

    (call,) = message.tool_calls
    assert (call["name"], call["args"], call["id"]) == ("add", {"a": 3, "b": 4}, "call_0")
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert acting.target.requests == []


async def test_the_prm_scores_the_action_in_its_context(acting: Acting) -> None:
    """What was done since the user spoke is the steps so far, tools' answers included."""
    acting.script([chat_reply("7")])

    await acting.model.bind_tools([add]).ainvoke(
        [
            SystemMessage("Use tools."),
            HumanMessage("What is 3 + 4?"),
            AIMessage("", tool_calls=[{"name": "add", "args": {"a": 3, "b": 4}, "id": "x"}]),
            ToolMessage("7", tool_call_id="x"),
        ]
    )

    ((conversation, steps, proposed),) = acting.prm.seen
    assert [turn["role"] for turn in conversation] == ["system", "user"]
    assert steps == [f"{ACTION}\n<tool_response>\n7\n</tool_response>"]
    assert proposed == ["7"]


async def test_a_poor_action_is_the_targets_to_replace(acting: Acting) -> None:
    """Below delta the target acts from the same conversation; the trace keeps what it replaced."""
    acting.script([CALL], [chat_reply("It is 7.")])
    acting.prm.rewards = [0.2]

    message = await acting.model.bind_tools([add]).ainvoke("What is 3 + 4?")

    (step,) = rsd(message)["steps"]
    assert (message.content, message.tool_calls) == ("It is 7.", [])
    assert (step["source"], step["reward"], step["rejected_text"]) == ("target", 0.2, ACTION)
    assert acting.sent(acting.target)["messages"] == acting.sent(acting.draft)["messages"]


@pytest.mark.parametrize(
    "invalid",
    [
        chat_reply(None, ("add", '{"a": 3, ')),
        chat_reply(None, ("subtract", {"a": 3, "b": 4})),
        chat_reply(None, ("add", {"a": 3, "b": "four"})),
        chat_reply(None, ("add", {"a": 3})),
        chat_reply(None, ("add", {"a": 3, "b": 4}), ("unknown", {})),
    ],
    ids=["not JSON", "unknown tool", "wrong type", "missing argument", "one of two"],
)
async def test_an_action_that_cannot_be_carried_out_is_not_scored(
    acting: Acting, invalid: Any
) -> None:
    """It is rejected before the PRM is asked, and counted."""
    acting.script([invalid], [CALL])

    message = await acting.model.bind_tools([add]).ainvoke("What is 3 + 4?")

    assert acting.prm.seen == []
    assert (rsd(message)["ledger"]["invalid_actions"], rsd(message)["steps"][0]["reward"]) == (
        1,
        None,
    )
    assert message.tool_calls[0]["args"] == {"a": 3, "b": 4}


async def test_an_action_cut_off_by_the_budget_is_not_scored(acting: Acting) -> None:
    """Half a tool call is no action."""
    acting.script([chat_reply("I will", reason="length")], [CALL])

    message = await acting.model.bind_tools([add]).ainvoke("What is 3 + 4?")

    assert acting.prm.seen == []
    assert rsd(message)["steps"][0]["source"] == "target"


async def test_the_targets_own_invalid_call_is_reported_as_such(acting: Acting) -> None:
    """LangChain's `invalid_tool_calls` holds it; no error hides the rest of the answer."""
    acting.script([CALL], [chat_reply("Hm.", ("add", "{oops"))])
    acting.prm.rewards = [0.1]

    message = await acting.model.bind_tools([add]).ainvoke("What is 3 + 4?")

    assert (message.content, message.tool_calls) == ("Hm.", [])
    assert message.invalid_tool_calls[0]["args"] == "{oops"


async def test_a_text_answer_with_tools_bound_is_an_action_too(acting: Acting) -> None:
    """With tools bound the whole reply is one step, blank lines and all."""
    acting.script([chat_reply("First.\n\nThen.")])

    message = await acting.model.bind_tools([add]).ainvoke("Explain.")

    assert message.content == "First.\n\nThen."
    assert len(rsd(message)["steps"]) == 1


# -- what the servers are sent -----------------------------------------------------------------


async def test_several_calls_in_one_action(acting: Acting) -> None:
    """Parallel calls are one action, each with its own id."""
    acting.script([chat_reply(None, ("add", {"a": 1, "b": 2}), ("search", {"query": "x"}))])

    bound = acting.model.bind_tools([add, search], parallel_tool_calls=True)
    message = await bound.ainvoke("Both.")

    assert [call["name"] for call in message.tool_calls] == ["add", "search"]
    assert acting.sent(acting.draft)["parallel_tool_calls"] is True


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("any", "required"),
        (True, "required"),
        ("required", "required"),
        ("auto", "auto"),
        ("add", {"type": "function", "function": {"name": "add"}}),
        (
            {"type": "function", "function": {"name": "add"}},
            {"type": "function", "function": {"name": "add"}},
        ),
    ],
)
async def test_tool_choice_in_langchains_words(acting: Acting, choice: Any, sent: Any) -> None:
    """Every way LangChain has to choose a tool reaches the server in OpenAI's words."""
    acting.script([CALL])

    await acting.model.bind_tools([add, search], tool_choice=choice).ainvoke("q")

    assert acting.sent(acting.draft)["tool_choice"] == sent


@pytest.mark.parametrize("choice", ["required", "add", "none"])
async def test_a_draft_that_ignores_the_tool_choice_is_rejected(
    acting: Acting, choice: str
) -> None:
    """No call where one is demanded, or one where none is allowed, cannot be carried out."""
    wrong = CALL if choice == "none" else chat_reply("No.")
    right = chat_reply("No.") if choice == "none" else CALL
    acting.script([wrong], [right])

    message = await acting.model.bind_tools([add], tool_choice=choice).ainvoke("q")

    assert rsd(message)["ledger"]["invalid_actions"] == 1


def test_choosing_a_tool_that_is_not_bound_is_refused() -> None:
    """A misspelt tool name is noticed when the tools are bound."""
    with pytest.raises(ConfigurationError, match="'subtract' is none of the bound tools"):
        functional().bind_tools([add], tool_choice="subtract")


async def test_a_schema_that_is_none_is_refused(acting: Acting) -> None:
    """A broken tool description is the caller's mistake, named before anything is asked."""
    function = {"name": "odd", "description": "?", "parameters": {"type": "nonsense"}}

    with pytest.raises(ConfigurationError, match="schema of 'odd'"):
        await acting.model.bind_tools([{"type": "function", "function": function}]).ainvoke("q")

    assert acting.draft.requests == []


async def test_earlier_calls_are_sent_as_the_chat_api_has_them(acting: Acting) -> None:
    """Calls and their answers keep their ids; an empty answer of a tool is fine."""
    acting.script([chat_reply("Nothing found.")])

    await acting.model.bind_tools([search]).ainvoke(
        [
            HumanMessage("q"),
            AIMessage("", tool_calls=[{"name": "search", "args": {"query": "x"}, "id": "1"}]),
            ToolMessage("", tool_call_id="1"),
        ]
    )

    assert acting.sent(acting.draft)["messages"][1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "1",
                    "type": "function",
                    "function": {"name": "search", "arguments": '{"query": "x"}'},
                }
            ],
        },
        {"role": "tool", "content": "", "tool_call_id": "1"},
    ]


async def test_options_and_budgets_hold_for_actions_too(acting: Acting) -> None:
    """Sampling and the answer's budget are sent with every action."""
    acting.script([CALL])

    await acting.model.bind_tools([add], temperature=0.5, max_tokens=64).ainvoke("q")

    body = acting.sent(acting.draft)
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("small", 0.5, 64)


def test_a_model_without_a_chat_api_says_so() -> None:
    """Providers that only write text cannot act, and the error says what is needed."""
    with pytest.raises(CapabilityError, match="FunctionStepModel has no endpoint"):
        functional().bind_tools([add]).invoke("q")


# -- streaming ---------------------------------------------------------------------------------


async def test_tool_calls_are_streamed_as_chunks(acting: Acting) -> None:
    """Text first, then one chunk per call; together they are the message."""
    acting.script([chat_reply("Adding.", ("add", {"a": 3, "b": 4}), ("add", {"a": 1, "b": 1}))])

    chunks = [chunk async for chunk in acting.model.bind_tools([add]).astream("q")]

    pieces = [chunk.tool_call_chunks for chunk in chunks]
    assert [len(piece) for piece in pieces] == [0, 1, 1, 0]
    assert pieces[1][0]["args"] == '{"a": 3, "b": 4}'
    whole = sum(chunks, AIMessageChunk(content=""))
    assert (whole.content, [call["args"] for call in whole.tool_calls]) == (
        "Adding.",
        [{"a": 3, "b": 4}, {"a": 1, "b": 1}],
    )


# -- structured output -------------------------------------------------------------------------


class Sum(BaseModel):
    """A sum."""

    terms: list[int] = Field(description="what is added")
    total: int


SUM = '{"terms": [3, 4], "total": 7}'


async def test_structured_output_by_json_schema(acting: Acting) -> None:
    """The server is sent the schema and the text is parsed; this is the default method."""
    acting.script([chat_reply(SUM)])

    answer = await acting.model.with_structured_output(Sum, strict=True).ainvoke("3 + 4?")

    form = acting.sent(acting.draft)["response_format"]
    assert answer == Sum(terms=[3, 4], total=7)
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == (
        "json_schema",
        "Sum",
        True,
    )


async def test_structured_output_by_function_calling(acting: Acting) -> None:
    """The schema is a tool the model must call."""
    acting.script([chat_reply(None, ("Sum", SUM))])

    model = acting.model.with_structured_output(Sum, method="function_calling")

    assert await model.ainvoke("3 + 4?") == Sum(terms=[3, 4], total=7)
    assert acting.sent(acting.draft)["tool_choice"] == "required"


async def test_structured_output_by_json_mode(acting: Acting) -> None:
    """Any JSON object; no schema is sent."""
    acting.script([chat_reply(SUM)])

    model = acting.model.with_structured_output(method="json_mode")

    assert await model.ainvoke("3 + 4? As JSON.") == {"terms": [3, 4], "total": 7}
    assert acting.sent(acting.draft)["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("text", ["It is 7.", '{"terms": [3, 4]}', '{"terms": "x", "total": 7}'])
async def test_a_draft_that_violates_the_schema_is_rejected_unscored(
    acting: Acting, text: str
) -> None:
    """The target writes what the draft could not, and the PRM is not asked."""
    acting.script([chat_reply(text)], [chat_reply(SUM)])

    answer = await acting.model.with_structured_output(Sum).ainvoke("3 + 4?")

    assert (answer, acting.prm.seen) == (Sum(terms=[3, 4], total=7), [])


async def test_include_raw_keeps_the_message_and_the_error(acting: Acting) -> None:
    """With `include_raw` nothing raises: raw, parsed and the parsing error are returned."""
    acting.script([chat_reply("no"), chat_reply(SUM)], [chat_reply("no")])
    model = acting.model.with_structured_output(Sum, include_raw=True)

    failed, parsed = await model.ainvoke("q"), await model.ainvoke("q")

    assert (failed["raw"].content, failed["parsed"]) == ("no", None)
    assert isinstance(failed["parsing_error"], Exception)
    assert (parsed["parsed"], parsed["parsing_error"]) == (Sum(terms=[3, 4], total=7), None)


def test_an_unknown_method_is_refused() -> None:
    """The methods are LangChain's three."""
    with pytest.raises(ConfigurationError, match="method='yaml'"):
        functional().with_structured_output(Sum, method="yaml")  # type: ignore[arg-type]


# -- agents ------------------------------------------------------------------------------------

TWO_TURNS = [CALL, chat_reply("It is 7.")]


@pytest.fixture
def create_agent() -> Callable[..., Any]:
    """LangChain's, which is a package of its own."""
    return pytest.importorskip("langchain.agents").create_agent


async def test_create_agent_runs_on_it(acting: Acting, create_agent: Callable[..., Any]) -> None:
    """LangChain's agent calls the tool RSD chose and answers with what RSD said."""
    acting.script(TWO_TURNS)
    agent = create_agent(acting.model, [add])

    result = await agent.ainvoke({"messages": [HumanMessage("What is 3 + 4?")]})

    kinds = [message.type for message in result["messages"]]
    assert kinds == ["human", "ai", "tool", "ai"]
    assert [m.content for m in result["messages"][2:]] == ["7", "It is 7."]


async def test_create_agent_with_a_response_format(
    acting: Acting, create_agent: Callable[..., Any]
) -> None:
    """Structured answers of an agent come by a tool call, which every server can do."""
    acting.script([CALL, chat_reply(None, ("Sum", SUM))])
    agent = create_agent(acting.model, [add], response_format=Sum)

    result = await agent.ainvoke({"messages": [HumanMessage("What is 3 + 4?")]})

    assert result["structured_response"] == Sum(terms=[3, 4], total=7)


async def test_a_hand_made_react_graph_runs_on_it(acting: Acting) -> None:
    """Model node, tool node, and an edge back: LangGraph's own prebuilt pieces fit."""
    acting.script(TWO_TURNS)
    model = acting.model.bind_tools([add])

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")

    result = await graph.compile().ainvoke({"messages": [HumanMessage("What is 3 + 4?")]})

    assert result["messages"][-1].content == "It is 7."


async def test_an_agent_streams_settled_actions_only(
    acting: Acting, create_agent: Callable[..., Any]
) -> None:
    """`stream_mode="messages"` of an agent shows no rejected action."""
    acting.script([chat_reply("Bad idea."), TWO_TURNS[1]], [CALL])
    acting.prm.rewards = [0.1]
    agent = create_agent(acting.model, [add])
    question = {"messages": [HumanMessage("What is 3 + 4?")]}

    shown = [chunk async for chunk, _ in agent.astream(question, stream_mode="messages")]

    assert "".join(m.text for m in shown if m.type == "AIMessageChunk") == "It is 7."


# -- thinking ------------------------------------------------------------------------------------


def thought(reply: Any, **fields: str) -> Any:
    """The reply of a server that tells the thinking apart."""
    reply["choices"][0]["message"] |= fields
    return reply


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
async def test_what_was_thought_before_an_action_is_its_reasoning(
    acting: Acting, name: str
) -> None:
    """By vLLM's name and by llama.cpp's; the PRM judges the action alone."""
    call = chat_reply(None, ("add", {"a": 3, "b": 4}))
    acting.script([thought(call, **{name: "Two numbers: add them."})])

    message = await acting.model.bind_tools([add]).ainvoke("What is 3 + 4?")

    assert message.content_blocks[0] == {
        "type": "reasoning",
        "reasoning": "Two numbers: add them.",
    }
    assert message.tool_calls[0]["args"] == {"a": 3, "b": 4}
    assert acting.prm.seen[0][2] == [ACTION]


async def test_thinking_in_the_text_of_an_action_is_taken_out(acting: Acting) -> None:
    """Where the server runs no reasoning parser."""
    acting.script([chat_reply("<think>\nEasy.\n</think>\n\n7")])
    model = acting.model.with_options({"thinking": "on"})

    message = await model.bind_tools([add]).ainvoke("What is 3 + 4?")

    assert (message.text, message.additional_kwargs["reasoning_content"]) == ("7", "Easy.")


async def test_an_action_without_thinking_is_asked_for(acting: Acting) -> None:
    """A hybrid model's template is told; the role that thinks is asked as ever."""
    acting.script([chat_reply(None, ("add", {"a": "no number"}))], [chat_reply("7")])
    model = acting.model.with_options({"thinking": "target"})

    await model.bind_tools([add]).ainvoke("What is 3 + 4?")

    assert acting.sent(acting.draft)["chat_template_kwargs"] == {"enable_thinking": False}
    assert "chat_template_kwargs" not in acting.sent(acting.target)


@pytest.mark.parametrize(("goes_on", "kept"), [(True, "Hm."), (False, None)])
async def test_earlier_thinking_is_sent_back_only_inside_a_loop_of_tools(
    acting: Acting, goes_on: bool, kept: str | None
) -> None:
    """Several templates want it there, and nowhere else."""
    acting.script([chat_reply("7")])
    model = acting.model.with_options({"thinking": "on"})
    call = {"name": "add", "args": {"a": 3, "b": 4}, "id": "call_0", "type": "tool_call"}
    asked: list[Any] = [
        HumanMessage("Before?"),
        AIMessage("<think>\nLong ago.\n</think>\n\nYes."),
        HumanMessage("What is 3 + 4?"),
        AIMessage("", tool_calls=[call], additional_kwargs={"reasoning_content": "Hm."}),
        ToolMessage("7", tool_call_id="call_0"),
        *([] if goes_on else [AIMessage("7"), HumanMessage("Sure?")]),
    ]

    await model.bind_tools([add]).ainvoke(asked)

    sent = acting.sent(acting.draft)["messages"]
    assert sent[1]["content"] == "Yes."
    assert sent[3].get("reasoning_content") == kept
