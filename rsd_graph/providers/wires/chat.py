"""Hosted chat models that cannot continue a text: an APPROXIMATION of RSD's step writer.

Current OpenAI and Anthropic models take neither raw completions nor an assistant message to go on
with. Here the steps so far are quoted in a user turn, and the model is asked for exactly the next
one. It therefore writes a step *about* the prefix instead of continuing it: another distribution
than the paper's, whatever the sampling.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from rsd_graph.answer.actions import Actions
from rsd_graph.answer.ledger import timed, usage
from rsd_graph.answer.state import Candidate, Ended, Message
from rsd_graph.errors import ContextOverflowError, Role
from rsd_graph.providers.base import StepModel, StepRequest
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.names import Name, public_name
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.chat_action import ChatActionModel
from rsd_graph.providers.wires.chat_api import NOT_THINKING, Reply, chat
from rsd_graph.providers.wires.chat_langchain import LangChainRoute
from rsd_graph.providers.wires.chat_langchain_action import LangChainActionModel
from rsd_graph.providers.wires.completion import cut_at_stop
from rsd_graph.providers.wires.completions_api import openai_sampling

if TYPE_CHECKING:  # whoever has such a model has loaded LangChain
    from langchain_core.language_models import BaseChatModel

END = "<END>"
"""What the model is asked to write after its last step."""

_INSTRUCTION = """\
{question}

Solve this step by step, one step per message. A step is one short paragraph without blank lines.
The steps so far:
<steps>
{steps}
</steps>
Write exactly the next step and nothing else: no heading, no repetition, no comment. If that step \
completes the answer, write {end} right after it."""

_NO_OPTIONS: Mapping[str, object] = MappingProxyType({})


class ChatStepModel:
    """A `StepModel` on a chat model: "continue from here", an approximation (see the module).

    Args:
        chat: A LangChain chat model, or the `Endpoint` of an OpenAI-compatible
            `/v1/chat/completions`. A LangChain model keeps the sampling it was made with; an
            endpoint is sent the run's.
        options: Further fields of each request; they win over ours, and `None` leaves a field out:
            `{"max_tokens": None, "max_completion_tokens": 512, "temperature": None}`.
        role: The seat it is used in; named in errors.
    """

    approximation: ClassVar[str] = "continue-from-here"
    """Named in traces: this model does not continue the prefix itself."""
    operation: ClassVar[str] = "chat"
    """What OpenTelemetry calls it."""

    def __init__(
        self,
        chat: BaseChatModel | Endpoint,
        *,
        options: Mapping[str, object] = _NO_OPTIONS,
        role: Role | None = None,
    ) -> None:
        self._route: _Hosted | LangChainRoute = (
            _Hosted(chat) if isinstance(chat, Endpoint) else LangChainRoute(chat, role)
        )
        self._options = dict(options)
        self._is_quiet = False

    def __repr__(self) -> str:
        """What it talks to, never the key."""
        return f"{type(self).__name__}({self._route})"

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the model is served; `None` for a LangChain model, which knows that itself."""
        return self._route.endpoint

    @property
    def public_name(self) -> Name:
        """What the model is called where others read it."""
        return self._route.public_name

    def acting(self, actions: Actions, *, checked: bool) -> StepModel:
        """See `Acting.acting`."""
        if isinstance(self._route, _Hosted):
            thinking = False if self._is_quiet else None
            return self._route.acting(actions, checked=checked, thinking=thinking)
        return LangChainActionModel(self._route, self._options, actions, checked=checked)

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await self._route.describe()

    def without_thinking(self) -> ChatStepModel:
        """The same model, asked not to think; a LangChain model thinks as it was made to."""
        quiet = copy(self)
        quiet._is_quiet = True
        if self._route.endpoint is not None:
            quiet._options = {**NOT_THINKING, **self._options}
        return quiet

    async def write_step(self, request: StepRequest) -> Candidate:
        """Ask for the next step. The tokens of quoted steps are prompt tokens, billed each time.

        A full context is an outcome (`"context"`), not an error. A LangChain model whose
        integration says of it neither an HTTP status nor LangChain's `ContextOverflowError`
        cannot be told from one that failed.
        """
        started = time.perf_counter()
        fields = self._route.fields(request) | self._options
        asked = {name: value for name, value in fields.items() if value is not None}
        try:
            reply = await self._route.ask(_messages(request), asked)
        except ContextOverflowError:
            return Candidate(text="", ended="context", logprob=None, usage=usage(cached_tokens=0))
        text, ended = _read(reply, request.prefix.separator)
        spent = timed(reply.usage, started)
        return Candidate(text=text, ended=ended, logprob=None, usage=spent)


class _Hosted(Served):
    """An OpenAI-compatible endpoint."""

    def __str__(self) -> str:
        return str(self.endpoint)

    @property
    def public_name(self) -> Name:
        return public_name(f"chat+{self.endpoint}")

    def acting(self, actions: Actions, *, checked: bool, thinking: bool | None) -> StepModel:
        return ChatActionModel(self._client, actions, checked=checked, thinking=thinking)

    def fields(self, request: StepRequest) -> dict[str, object]:
        sampling = openai_sampling(request.sampling)
        return {"max_tokens": request.max_tokens, "seed": request.seed, **sampling}

    async def ask(self, messages: Sequence[Message], fields: Mapping[str, object]) -> Reply:
        answer = await chat(self._client, {"messages": list(messages), **fields})
        choice = answer.choices[0]
        if choice.message.content is None:
            beside = ", only reasoning: try thinking='off'" if choice.message.thought else ""
            raise self._client.malformed(f"the message has no content{beside}")
        is_cut = choice.finish_reason == "length"
        return Reply(choice.message.content, is_cut, answer.usage.spent)


def _messages(request: StepRequest) -> list[Message]:
    """The conversation, its last turn followed by the steps so far and the instruction.

    What a tool has answered last stays its own; then the instruction is a turn of the user's.
    """
    *before, last = request.prefix.conversation
    question = last["content"]
    if last["role"] == "tool":
        before, question = [*before, last], "Go on."
    steps = request.prefix.text.strip() or "(none yet)"
    content = _INSTRUCTION.format(question=question, steps=steps, end=END)
    role = "user" if last["role"] == "tool" else last["role"]
    return [*before, Message(role=role, content=content)]


def _read(reply: Reply, separator: str) -> tuple[str, Ended]:
    """The first step of the reply; whatever it wrote beyond one step is dropped."""
    words, marker, _ = reply.text.partition(END)
    step, more = cut_at_stop(words.strip(), [separator])
    if more:
        return step, "separator"
    if marker:
        return step, "eos"
    return step, "length" if reply.is_cut else "separator"
