"""Reward-Guided Speculative Decoding as a LangGraph graph and a LangChain chat model.

Start at `graph.py`: it is the algorithm.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsd_graph.acceptance import (
        Weighting,
        clipping,
        constant,
        hybrid,
        likelihood_ratio,
        logistic,
        reward_threshold,
        sigmoidal,
    )
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.errors import (
        AuthenticationError,
        BadRequestError,
        CapabilityError,
        ConfigurationError,
        ContextOverflowError,
        EndpointConnectionError,
        EndpointTimeoutError,
        InputError,
        MalformedResponseError,
        ModelNotFoundError,
        ProviderError,
        RateLimitError,
        RewardError,
        RSDError,
        ScriptExhaustedError,
        ServerError,
        UnsupportedRouteError,
    )
    from rsd_graph.graph import create_rsd_graph
    from rsd_graph.ledger import Ledger, PerRole, Usage, acceptance_rate, flops
    from rsd_graph.limits import Limits
    from rsd_graph.prices import Price, Prices, cost
    from rsd_graph.providers.base import (
        Prefix,
        RewardModel,
        Sampling,
        Scores,
        StepModel,
        StepRequest,
    )
    from rsd_graph.providers.endpoint import Endpoint, RetryPolicy
    from rsd_graph.providers.registry import reward_model, step_model
    from rsd_graph.providers.scripted import ScriptedRewardModel, ScriptedStepModel, candidate
    from rsd_graph.state import Candidate, Message, RSDState, Step, answer_text, initial_state

__version__ = "0.1.0"

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "Candidate",
    "CapabilityError",
    "ChatRSD",
    "ConfigurationError",
    "ContextOverflowError",
    "Endpoint",
    "EndpointConnectionError",
    "EndpointTimeoutError",
    "InputError",
    "Ledger",
    "Limits",
    "MalformedResponseError",
    "Message",
    "ModelNotFoundError",
    "PerRole",
    "Prefix",
    "Price",
    "Prices",
    "ProviderError",
    "RSDError",
    "RSDState",
    "RateLimitError",
    "RetryPolicy",
    "RewardError",
    "RewardModel",
    "Sampling",
    "Scores",
    "ScriptExhaustedError",
    "ScriptedRewardModel",
    "ScriptedStepModel",
    "ServerError",
    "Step",
    "StepModel",
    "StepRequest",
    "UnsupportedRouteError",
    "Usage",
    "Weighting",
    "__version__",
    "acceptance_rate",
    "answer_text",
    "candidate",
    "clipping",
    "constant",
    "cost",
    "create_rsd_graph",
    "flops",
    "hybrid",
    "initial_state",
    "likelihood_ratio",
    "logistic",
    "reward_model",
    "reward_threshold",
    "sigmoidal",
    "step_model",
]

_HOMES = {
    "acceptance": (
        "Weighting",
        "clipping",
        "constant",
        "hybrid",
        "likelihood_ratio",
        "logistic",
        "reward_threshold",
        "sigmoidal",
    ),
    "chat_models": ("ChatRSD",),
    "errors": (
        "AuthenticationError",
        "BadRequestError",
        "CapabilityError",
        "ConfigurationError",
        "ContextOverflowError",
        "EndpointConnectionError",
        "EndpointTimeoutError",
        "InputError",
        "MalformedResponseError",
        "ModelNotFoundError",
        "ProviderError",
        "RateLimitError",
        "RewardError",
        "RSDError",
        "ScriptExhaustedError",
        "ServerError",
        "UnsupportedRouteError",
    ),
    "graph": ("create_rsd_graph",),
    "ledger": ("Ledger", "PerRole", "Usage", "acceptance_rate", "flops"),
    "limits": ("Limits",),
    "prices": ("Price", "Prices", "cost"),
    "providers.base": ("Prefix", "RewardModel", "Sampling", "Scores", "StepModel", "StepRequest"),
    "providers.endpoint": ("Endpoint", "RetryPolicy"),
    "providers.registry": ("reward_model", "step_model"),
    "providers.scripted": ("ScriptedRewardModel", "ScriptedStepModel", "candidate"),
    "state": ("Candidate", "Message", "RSDState", "Step", "answer_text", "initial_state"),
}
"""Module -> the public names that live there."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `rsd-graph --help` needs none of them."""
    for home, names in _HOMES.items():
        if name in names:
            globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
