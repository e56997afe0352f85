"""Actions over `/v1/chat/completions`: what the assistant does next when it has tools.

The server renders the tools into its model's prompt and reads the calls out of the answer; vLLM
needs `--enable-auto-tool-choice --tool-call-parser ...` for it, llama.cpp needs `--jinja`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Protocol, runtime_checkable
from uuid import uuid4

from rsd_graph.answer.actions import Actions
from rsd_graph.answer.ledger import timed, usage
from rsd_graph.answer.state import Candidate, Ended, FunctionCall, Message, Step, ToolCall
from rsd_graph.answer.steps import action_text
from rsd_graph.answer.thinking import thought_in
from rsd_graph.errors import ContextOverflowError
from rsd_graph.providers.adapted import adapted_prm
from rsd_graph.providers.base import Prefix, RewardModelLike, Scores, StepModel, StepRequest
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.logs import get_logger
from rsd_graph.providers.names import Name, public_name
from rsd_graph.providers.wires.chat_api import NOT_THINKING, CalledTool, ChatAnswer, chat
from rsd_graph.providers.wires.completions_api import openai_sampling

_ENDED: Mapping[str | None, Ended] = MappingProxyType(
    {
        "stop": "eos",
        "tool_calls": "eos",
        "length": "length",
        "eos_token": "eos",  # TGI
        "stop_sequence": "eos",  # TGI
    }
)


@runtime_checkable
class Acting(Protocol):
    """A step model that can act, too, in a way of its own."""

    def acting(self, actions: Actions, *, checked: bool) -> StepModel:
        """The same model, whose steps are actions; *checked* as in `ChatActionModel`.

        Raises:
            ConfigurationError: It cannot do what *actions* ask for.
        """
        ...


class ChatActionModel:
    """A `StepModel` whose one step is an action: text, tool calls, or both.

    Args:
        client: The endpoint's client; its server must offer OpenAI's chat API.
        actions: What may be done.
        checked: Mark actions that cannot be carried out as `"invalid"`: for the draft, so that the
            target acts instead. The target's own are passed on as they are.
        name: What the model is called where others read it.
        thinking: `False` asks the model not to think; `True` looks for thinking in the text, too,
            where a server runs no reasoning parser.

    Raises:
        ConfigurationError: A tool's schema is not a JSON schema.
    """

    operation: ClassVar[str] = "chat"
    """What OpenTelemetry calls it."""

    def __init__(
        self,
        client: Client,
        actions: Actions,
        *,
        checked: bool,
        name: Name | None = None,
        thinking: bool | None = None,
    ) -> None:
        actions.check_schemas()
        self.endpoint = client.endpoint
        self.public_name = name or public_name(f"chat+{client.endpoint}")
        self._client = client
        self._actions = actions
        self._checked = checked
        self._thinking = thinking

    async def write_step(self, request: StepRequest) -> Candidate:
        """See `StepModel.write_step`. A full context is an outcome (`"context"`), not an error."""
        started = time.perf_counter()
        try:
            answer = await chat(self._client, self._body(request))
        except ContextOverflowError:
            return Candidate(text="", ended="context", logprob=None, usage=usage(cached_tokens=0))
        action = self._action(answer)
        action["usage"] = timed(action["usage"], started)
        if self._checked and action["ended"] == "eos":
            with self._client.reading():
                mark_invalid(action, self._actions)
        return action

    def _body(self, request: StepRequest) -> dict[str, object]:
        return {
            "messages": list(request.prefix.conversation),
            "max_tokens": request.max_tokens,
            "seed": request.seed % 2**31,
            "stream": False,
            **openai_sampling(request.sampling),
            **self._actions.body,
            **(NOT_THINKING if self._thinking is False else {}),
        }

    def _action(self, answer: ChatAnswer) -> Candidate:
        """The assistant's message as a candidate."""
        choice = answer.choices[0]
        if choice.finish_reason not in _ENDED:
            raise self._client.malformed(f"finish_reason {choice.finish_reason!r}")
        thought, text = choice.message.thought, choice.message.content or ""
        if self._thinking and not thought:
            thought, text = thought_in(text)
        action = Candidate(
            text=text,
            ended=_ENDED[choice.finish_reason],
            logprob=None,
            usage=answer.usage.spent,
        )
        if thought:
            action["reasoning"] = thought
        if calls := choice.message.tool_calls:
            action["tool_calls"] = [_tool_call(call) for call in calls]
        return action


def mark_invalid(action: Candidate, actions: Actions) -> None:
    """Make an action that cannot be carried out one that `"invalid"` ended."""
    problem = next(actions.problems(action), None)
    if problem is not None:
        action["ended"] = "invalid"
        get_logger(__name__).debug("rsd.action_invalid", problem=problem)


class ActionRewardModel:
    """Any PRM as a scorer of actions in their context.

    What the assistant has done since the user last spoke becomes the steps so far, each action with
    the tools' answers to it; the proposed action is the step to be scored.
    """

    def __init__(self, prm: RewardModelLike) -> None:
        self._prm = adapted_prm(prm)
        self.endpoint = getattr(prm, "endpoint", "")

    @property
    def public_name(self) -> Name:
        """The PRM's own."""
        return public_name(self._prm)

    @property
    def reward_range(self) -> tuple[float, float]:
        """The PRM's own."""
        return self._prm.reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`."""
        turns = list(prefix.conversation)
        asked = max((i for i, turn in enumerate(turns, 1) if turn["role"] == "user"), default=0)
        context = Prefix(turns[:asked], _steps(turns[asked:]), prefix.separator)
        actions = [Candidate(**{**item, "text": action_text(item)}) for item in candidates]
        return await self._prm.score(context, actions)


def _steps(turns: Iterable[Message]) -> list[Step | Candidate]:
    """Past actions as steps; a tool's answer belongs to the action that asked for it."""
    steps: list[Step | Candidate] = []
    for turn in turns:
        text = action_text({"text": turn["content"], "tool_calls": turn.get("tool_calls", [])})
        if turn["role"] == "tool" and steps:
            steps[-1]["text"] += f"\n<tool_response>\n{text}\n</tool_response>"
        else:
            nothing = usage(calls=0)
            steps.append(Candidate(text=text, ended="separator", logprob=None, usage=nothing))
    return steps


def _tool_call(call: CalledTool) -> ToolCall:
    told = call.function.arguments
    arguments = (told if isinstance(told, str) else json.dumps(told or {})) or "{}"
    function = FunctionCall(name=call.function.name, arguments=arguments)
    return ToolCall(id=call.id or f"call_{uuid4().hex}", type="function", function=function)
