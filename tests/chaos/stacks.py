"""Every wire in every seat, before the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from rsd_graph import Endpoint, RetryPolicy
from rsd_graph.errors import Role
from rsd_graph.providers.base import Models
from rsd_graph.providers.prm import (
    MATH_SHEPHERD,
    PURE,
    RECOMPUTE,
    RLHFLOW,
    SKYWORK,
    SKYWORK_PAPER,
    VERSAPRM,
    OutcomeRM,
    PoolingPRM,
    TokenProbabilityPRM,
    TokenRowsPRM,
)
from rsd_graph.providers.prm.outcome import tei
from rsd_graph.providers.wires.chat import ChatStepModel
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.providers.wires.ollama import OllamaWire
from rsd_graph.providers.wires.openai_compatible import OpenAICompatibleWire
from rsd_graph.providers.wires.sglang import SGLangWire
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.tgi import TGIWire
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.chaos.world import KEY

TEMPLATE = ChatTemplate("[INST] {{ messages[-1].content }} [/INST] ", {})


def _openai(endpoint: Endpoint) -> OpenAICompatibleWire:
    return OpenAICompatibleWire(endpoint, template=TEMPLATE, ends="ask-again")


def _ollama(endpoint: Endpoint) -> OllamaWire:
    return OllamaWire(endpoint, ends="ask-again")


WRITERS: dict[str, Callable[[Endpoint], Any]] = {
    "vllm": lambda at: HostedModel(VLLMWire(at)),
    "sglang": lambda at: HostedModel(SGLangWire(at)),
    "tgi": lambda at: HostedModel(TGIWire(at)),
    "llamacpp": lambda at: HostedModel(LlamaCppWire(at)),
    "ollama": lambda at: HostedModel(_ollama(at)),
    "openai": lambda at: HostedModel(_openai(at)),
    "chat": ChatStepModel,
}

PRMS: dict[str, tuple[str, str, Callable[[Endpoint], Any]]] = {
    "qwen-prm": ("vllm", "", PoolingPRM),
    "qwen-prm, last token": ("vllm-last", "", PoolingPRM),
    "qwen-prm-split": ("vllm-last", "", lambda at: PoolingPRM(at, logits=True)),
    "pure": ("vllm", "difference", lambda at: TokenRowsPRM(at, PURE)),
    "pure, last token": ("vllm-last", "difference", lambda at: TokenRowsPRM(at, PURE)),
    "skywork": ("skywork", "", lambda at: TokenRowsPRM(at, SKYWORK)),
    "skywork-paper": ("skywork", "", lambda at: TokenRowsPRM(at, SKYWORK_PAPER)),
    "orm": ("vllm", "", OutcomeRM),
    "tei": ("tei", "", tei),
    "recompute on llamacpp": ("llamacpp", "", lambda at: _judge(LlamaCppWire(at), RECOMPUTE)),
    "math-shepherd on vllm": ("vllm", "", lambda at: _judge(VLLMWire(at), MATH_SHEPHERD)),
    "rlhflow on sglang": ("sglang", "", lambda at: _judge(SGLangWire(at), RLHFLOW)),
    "versaprm on tgi": ("tgi", "", lambda at: _judge(TGIWire(at), VERSAPRM)),
}
"""Name -> dialect of its server, how its reward is read out (see `world.rewards`), its maker."""


def _judge(wire: Any, family: Any) -> TokenProbabilityPRM:
    return TokenProbabilityPRM(wire, family)


@dataclass(frozen=True)
class Stack:
    """Which wire sits in which seat."""

    draft: str
    target: str
    prm: str

    @property
    def read_out(self) -> str:
        """See `PRMS`."""
        return PRMS[self.prm][1]

    def requests_of(self, role: str) -> int:
        """How many requests one call of a writer may take: some are asked how a step ended."""
        return 2 if getattr(self, role) in ("openai", "ollama") else 1

    def models(self, url: str, timeout: float, in_flight: int) -> Models:
        """The three, asked at *url*, retried twice without waiting."""

        def at(dialect: str, role: Role) -> Endpoint:
            retry = RetryPolicy(attempts=3, initial_wait=0, max_wait=0)
            return Endpoint(
                f"{url}/{dialect}/{role}",
                "" if dialect in ("tgi", "tei") else "m",
                role,
                SecretStr(KEY),
                timeout,
                in_flight,
                retry,
            )

        dialect, _, prm = PRMS[self.prm]
        draft, target = WRITERS[self.draft], WRITERS[self.target]
        return Models(
            draft(at(self.draft, "draft")),
            target(at(self.target, "target")),
            prm(at(dialect, "prm")),
        )
