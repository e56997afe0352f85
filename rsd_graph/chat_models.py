"""`ChatRSD`: the RSD graph worn as a LangChain chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables.config import ensure_config
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from rsd_graph._messages import StopFilter, to_conversation
from rsd_graph._runnable import CompiledRSDGraph
from rsd_graph._sync import iterate_sync, run_sync
from rsd_graph.acceptance import Criterion, reward_threshold
from rsd_graph.errors import ConfigurationError
from rsd_graph.graph import create_rsd_graph
from rsd_graph.ledger import Ledger, PerRole, empty_ledger
from rsd_graph.limits import Limits
from rsd_graph.nodes.score import OnPRMError
from rsd_graph.providers.base import RewardModel, Sampling, StepModel
from rsd_graph.providers.registry import known_parameters, reward_model, step_model
from rsd_graph.report import rsd_metadata, usage_metadata
from rsd_graph.run import child_callbacks, settled_steps
from rsd_graph.state import RSDInput, Step


class ChatRSD(BaseChatModel):
    """A chat model that answers by Reward-Guided Speculative Decoding.

    Setup:
        `ChatRSD()` runs on the models shipped with the package. Point it at your own by naming
        endpoints; keys come from `RSD_API_KEY` or `RSD_<ROLE>_API_KEY`, or `api_key`.

    Instantiate:
        ```python
        llm = ChatRSD(
            draft="vllm+http://gpu1:8000/v1#Qwen/Qwen2.5-Math-1.5B-Instruct",
            target="vllm+http://gpu2:8000/v1#Qwen/Qwen2.5-Math-7B-Instruct",
            prm="qwen-prm+vllm+http://gpu3:8000/v1#Qwen/Qwen2.5-Math-PRM-7B",
            delta=0.7,
        )
        ```

    Invoke, stream:
        `llm.invoke("What is 3 + 4 * 5?")`; `llm.stream(...)` yields each step the moment it is
        settled. RSD never takes a settled step back.

    Token usage:
        `usage_metadata` counts every token of all three models, as their servers counted them.

    Response metadata:
        `response_metadata["rsd"]` holds the per-step trace, the ledger, the acceptance rate, the
        finish reason and the FLOPs in both accountings.

    Every field below from `draft` on can also be given per call: `llm.invoke(q, delta=0.9)`.

    Raises:
        ConfigurationError: The parts do not fit together; raised at the first call.
        ProviderError: An endpoint failed; steps already settled are on the exception.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    draft: str | StepModel = "embedded:draft"
    """Endpoint string or provider of the draft model."""
    target: str | StepModel = Field(default="embedded:target", alias="model")
    """Endpoint string or provider of the target model; also named `model`."""
    prm: str | RewardModel = "embedded:prm"
    """Endpoint string or provider of the process reward model."""
    delta: float = 0.7
    """Accept a draft step iff its reward >= delta."""
    accept: Callable[[float], float] | None = None
    """Another acceptance criterion (see `rsd_graph.acceptance`); replaces `delta`."""
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 4096
    """Tokens of the whole answer, whoever writes them."""
    max_step_tokens: int = 512
    max_steps: int = 100
    seed: int | None = None
    """Root of every random choice; the same seed and question give the same answer."""
    step_separator: str = "\n\n"
    on_prm_error: OnPRMError = "raise"
    """`"target"` lets the target write a step whose scoring failed; counted in the ledger."""
    parameters: Mapping[str, float] | None = None
    """Parameter counts `{"draft": N, "target": N, "prm": N}` for the FLOPs in the metadata."""
    stop: list[str] | None = Field(default=None, alias="stop_sequences")
    """Strings that end the answer, applied to its joined text; not step separators."""
    timeout: float | None = None
    """Seconds one exchange with an endpoint may take (endpoints given as strings)."""
    max_retries: int | None = None
    """Retries of one exchange (endpoints given as strings)."""
    api_key: SecretStr | None = None
    """Key for endpoints given as strings; the environment's keys are used without it."""
    streaming: bool = False

    _compiled: CompiledRSDGraph | None = PrivateAttr(default=None)

    # -- the run ---------------------------------------------------------------------------------

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        """One chunk per settled step; usage and trace once, on the last chunk."""
        model = self._with(kwargs)
        callbacks = child_callbacks(run_manager) or ensure_config().get("callbacks")
        text = StopFilter(model.stop or [] if stop is None else stop)
        state = RSDInput(conversation=to_conversation(messages), seed=model.seed)
        steps: list[Step] = []
        ledger, reason, gap = empty_ledger(), None, ""
        async for lap in settled_steps(model.graph, state, callbacks):  # type: ignore[arg-type]
            for step in lap.steps:
                yield _text_chunk(text.feed(gap + step["text"]))
                gap = model.step_separator if step["ended"] == "separator" else ""
            steps += lap.steps
            ledger, reason = lap.ledger, lap.finish_reason
            if text.stopped:
                reason = "stop"
                break
        yield _last_chunk(text.flush(), model._metadata(steps, ledger, reason), ledger)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """The stream, joined."""
        chunks = [c async for c in self._astream(messages, stop, run_manager, **kwargs)]
        whole = sum(chunks[1:], chunks[0])
        message = message_chunk_to_message(whole.message)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """`_agenerate` for sync callers, inside a running event loop too."""
        return run_sync(self._agenerate(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """`_astream` for sync callers, inside a running event loop too."""
        return iterate_sync(self._astream(messages, stop, run_manager, **kwargs))

    # -- the parts -------------------------------------------------------------------------------

    @property
    def graph(self) -> CompiledRSDGraph:
        """The compiled graph this model runs; built at first use."""
        if self._compiled is None:
            graph = create_rsd_graph(
                draft=step_model(self.draft, "draft", **self._connection()),
                target=step_model(self.target, "target", **self._connection()),
                prm=reward_model(self.prm, **self._connection()),
                accept=self.criterion,
                sampling=self._sampling(),
                limits=Limits(self.max_tokens, self.max_step_tokens, self.max_steps),
                step_separator=self.step_separator,
                on_prm_error=self.on_prm_error,
            )
            self._compiled = graph.compile(checkpointer=False, name="rsd")
        return self._compiled

    @property
    def criterion(self) -> Criterion:
        """The acceptance criterion in force."""
        return self.accept or reward_threshold(self.delta)

    def _sampling(self) -> Sampling:
        return Sampling(
            self.temperature, self.top_p, self.top_k, self.min_p, self.repetition_penalty
        )

    def _connection(self) -> dict[str, Any]:
        options = {
            "timeout": self.timeout,
            "max_retries": self.max_retries,
            "api_key": self.api_key,
        }
        return {key: value for key, value in options.items() if value is not None}

    def _with(self, overrides: Mapping[str, Any]) -> ChatRSD:
        """This model with some fields replaced for one call.

        Raises:
            ConfigurationError: An option this model does not have.
        """
        if not overrides:
            return self
        names = {"model": "target", "stop_sequences": "stop"}
        changes = {names.get(key, key): value for key, value in overrides.items()}
        fields = type(self).model_fields
        if unknown := sorted(set(changes) - set(fields)):
            raise ConfigurationError(
                f"unknown option {', '.join(unknown)}.",
                expected="a field of ChatRSD, such as delta, seed or max_tokens",
            )
        values = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**values, **changes})

    # -- what it says about itself -----------------------------------------------------------------

    def _metadata(
        self, steps: Sequence[Step], ledger: Ledger, reason: str | None
    ) -> dict[str, Any]:
        return {
            "model_name": str(self.target),
            "model_provider": "rsd",
            "finish_reason": reason,
            "rsd": rsd_metadata(steps, ledger, reason, self._parameters()),
        }

    def _parameters(self) -> PerRole | None:
        known = self.parameters or known_parameters(self.draft, self.target, self.prm)
        return PerRole(**known) if known else None

    @property
    def _llm_type(self) -> str:
        return "rsd"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """Everything that changes the answer: the key of LangChain's caches."""
        hidden = {"api_key", "timeout", "max_retries", "streaming", "parameters"}
        own = {*ChatRSD.model_fields} - {*BaseChatModel.model_fields} - hidden
        return {name: str(getattr(self, name)) for name in sorted(own)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        model = self._with({k: v for k, v in kwargs.items() if k in type(self).model_fields})
        params = LangSmithParams(
            ls_provider="rsd",
            ls_model_type="chat",
            ls_model_name=str(kwargs.get("model", model.target)),
            ls_temperature=model.temperature,
            ls_max_tokens=model.max_tokens,
        )
        if stop or model.stop:
            params["ls_stop"] = stop or model.stop or []
        return params


def _text_chunk(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


def _last_chunk(text: str, metadata: dict[str, Any], ledger: Ledger) -> ChatGenerationChunk:
    message = AIMessageChunk(
        content=text,
        response_metadata=metadata,
        usage_metadata=usage_metadata(ledger),
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message, generation_info={})
