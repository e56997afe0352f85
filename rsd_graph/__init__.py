"""Reward-Guided Speculative Decoding as a LangGraph graph and a LangChain chat model.

Start at `graph.py`: it is the algorithm.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the public names, and where each lives
    from rsd_graph.acceptance import (
        Criterion as Criterion,
    )
    from rsd_graph.acceptance import (
        Weighting as Weighting,
    )
    from rsd_graph.acceptance import (
        clipping as clipping,
    )
    from rsd_graph.acceptance import (
        constant as constant,
    )
    from rsd_graph.acceptance import (
        criterion as criterion,
    )
    from rsd_graph.acceptance import (
        hybrid as hybrid,
    )
    from rsd_graph.acceptance import (
        likelihood_ratio as likelihood_ratio,
    )
    from rsd_graph.acceptance import (
        logistic as logistic,
    )
    from rsd_graph.acceptance import (
        reward_threshold as reward_threshold,
    )
    from rsd_graph.acceptance import (
        sigmoidal as sigmoidal,
    )
    from rsd_graph.answer.events import (
        Event as Event,
    )
    from rsd_graph.answer.events import (
        StepAccepted as StepAccepted,
    )
    from rsd_graph.answer.events import (
        StepDrafted as StepDrafted,
    )
    from rsd_graph.answer.events import (
        StepRejected as StepRejected,
    )
    from rsd_graph.answer.events import (
        StepScored as StepScored,
    )
    from rsd_graph.answer.events import (
        StepSettled as StepSettled,
    )
    from rsd_graph.answer.flops import PerRole as PerRole
    from rsd_graph.answer.flops import flops as flops
    from rsd_graph.answer.ledger import (
        Ledger as Ledger,
    )
    from rsd_graph.answer.ledger import (
        Usage as Usage,
    )
    from rsd_graph.answer.ledger import (
        acceptance_rate as acceptance_rate,
    )
    from rsd_graph.answer.ledger import (
        usage as usage,
    )
    from rsd_graph.answer.limits import (
        Limits as Limits,
    )
    from rsd_graph.answer.prices import (
        Price as Price,
    )
    from rsd_graph.answer.prices import (
        Prices as Prices,
    )
    from rsd_graph.answer.prices import (
        cost as cost,
    )
    from rsd_graph.answer.state import (
        Candidate as Candidate,
    )
    from rsd_graph.answer.state import (
        Message as Message,
    )
    from rsd_graph.answer.state import (
        RSDState as RSDState,
    )
    from rsd_graph.answer.state import (
        Step as Step,
    )
    from rsd_graph.answer.state import (
        initial_state as initial_state,
    )
    from rsd_graph.answer.steps import answer_text as answer_text
    from rsd_graph.answer.thinking import (
        Phases as Phases,
    )
    from rsd_graph.chat_models import (
        ChatRSD as ChatRSD,
    )
    from rsd_graph.errors import (
        AuthenticationError as AuthenticationError,
    )
    from rsd_graph.errors import (
        BadRequestError as BadRequestError,
    )
    from rsd_graph.errors import (
        CapabilityError as CapabilityError,
    )
    from rsd_graph.errors import (
        ConfigurationError as ConfigurationError,
    )
    from rsd_graph.errors import (
        ContextOverflowError as ContextOverflowError,
    )
    from rsd_graph.errors import (
        EndpointConnectionError as EndpointConnectionError,
    )
    from rsd_graph.errors import (
        EndpointTimeoutError as EndpointTimeoutError,
    )
    from rsd_graph.errors import (
        InputError as InputError,
    )
    from rsd_graph.errors import (
        MalformedResponseError as MalformedResponseError,
    )
    from rsd_graph.errors import (
        ModelNotFoundError as ModelNotFoundError,
    )
    from rsd_graph.errors import (
        ProviderError as ProviderError,
    )
    from rsd_graph.errors import (
        RateLimitError as RateLimitError,
    )
    from rsd_graph.errors import (
        RewardError as RewardError,
    )
    from rsd_graph.errors import (
        RSDError as RSDError,
    )
    from rsd_graph.errors import (
        ScriptExhaustedError as ScriptExhaustedError,
    )
    from rsd_graph.errors import (
        ServerError as ServerError,
    )
    from rsd_graph.errors import (
        UnsupportedRouteError as UnsupportedRouteError,
    )
    from rsd_graph.graph import (
        create_rsd_graph as create_rsd_graph,
    )
    from rsd_graph.providers.base import (
        Prefix as Prefix,
    )
    from rsd_graph.providers.base import (
        RewardModel as RewardModel,
    )
    from rsd_graph.providers.base import (
        RewardModelLike as RewardModelLike,
    )
    from rsd_graph.providers.base import (
        Sampling as Sampling,
    )
    from rsd_graph.providers.base import (
        Scores as Scores,
    )
    from rsd_graph.providers.base import (
        StepModel as StepModel,
    )
    from rsd_graph.providers.base import (
        StepModelLike as StepModelLike,
    )
    from rsd_graph.providers.base import (
        StepRequest as StepRequest,
    )
    from rsd_graph.providers.http.endpoint import (
        Endpoint as Endpoint,
    )
    from rsd_graph.providers.http.endpoint import (
        RetryPolicy as RetryPolicy,
    )
    from rsd_graph.providers.prm import (
        FunctionPRM as FunctionPRM,
    )
    from rsd_graph.providers.prm import (
        PRMFormat as PRMFormat,
    )
    from rsd_graph.providers.registry import (
        reward_model as reward_model,
    )
    from rsd_graph.providers.registry import (
        step_model as step_model,
    )
    from rsd_graph.providers.scripted import (
        ScriptedRewardModel as ScriptedRewardModel,
    )
    from rsd_graph.providers.scripted import (
        ScriptedStepModel as ScriptedStepModel,
    )
    from rsd_graph.providers.scripted import (
        candidate as candidate,
    )
    from rsd_graph.providers.wires.completion import (
        Completion as Completion,
    )
    from rsd_graph.providers.wires.completion import (
        CompletionRequest as CompletionRequest,
    )
    from rsd_graph.providers.wires.completion import (
        CompletionWire as CompletionWire,
    )
    from rsd_graph.providers.wires.hosted import HostedModel as HostedModel

__version__ = "0.1.0"


def _homes() -> dict[str, str]:
    """Public name -> its module, as the imports above say, so that no name is written twice."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = (node for node in block.body if isinstance(node, ast.ImportFrom))
    return {alias.name: str(node.module) for node in imports for alias in node.names}


_HOMES = _homes()

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `rsd-graph --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(import_module(_HOMES[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    """The public names."""
    return __all__
