r"""THE ALGORITHM. Reward-Guided Speculative Decoding (Liao et al., ICML 2025) as a state graph.

START -> begin -> draft -> score --accept_or_reject--> accept --continue_or_finish--> draft | END
\--> target --continue_or_finish--> draft | END
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from langgraph.graph import END, START

from rsd_graph.acceptance import Criterion, Uniform, accepted_run, reward_threshold, seeded_uniform
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.options import Lookahead, OnPRMError, checked
from rsd_graph.answer.state import Phase, RSDState
from rsd_graph.answer.steps import phase_of
from rsd_graph.answer.thinking import Phases, by_phase
from rsd_graph.early.requests import EarlyRequests
from rsd_graph.nodes import accept_step, begin, draft_step, score_steps, target_step
from rsd_graph.nodes.request import StepOptions
from rsd_graph.providers.adapted import adapted
from rsd_graph.providers.base import RewardModelLike, Sampling, StepModelLike
from rsd_graph.providers.telemetry import observed
from rsd_graph.providers.thinking import thinking_as
from rsd_graph.runtime.node import Node, NodeFunction, Pure, RSDGraph
from rsd_graph.runtime.tracing import traced


def create_rsd_graph(
    *,
    draft: StepModelLike,
    target: StepModelLike,
    prm: RewardModelLike,
    accept: Criterion | Mapping[Phase, Criterion] = reward_threshold(0.7),  # noqa: B008 (frozen)
    sampling: Sampling = Sampling(),  # noqa: B008
    limits: Limits = Limits(),  # noqa: B008
    phases: Phases = Phases(),  # noqa: B008
    step_separator: str = "\n\n",
    lookahead: Lookahead = 0,
    max_waste: float = 0.1,
    hedge: float | None = None,
    on_prm_error: OnPRMError = "raise",
    uniform: Uniform = seeded_uniform,
) -> RSDGraph:
    """Build the RSD graph, uncompiled: compile it alone or add it to a graph of yours.

    The options mean what the fields of `ChatRSD` with these names say; *uniform* draws the random
    numbers of criteria that are not a threshold.

    Raises:
        ConfigurationError: delta is outside the PRM's range of rewards, an option outside its; or
            a model or criterion that cannot be asked.
    """
    models = observed(thinking_as(phases, adapted(draft, target, prm)))
    criteria = by_phase(accept, phases, models.prm.reward_range)
    options = StepOptions(sampling, limits, checked("step_separator", step_separator), phases)
    early = EarlyRequests(models.draft, models.target, lookahead, max_waste, hedge)

    def accepted(state: RSDState) -> int:
        """How many candidates the criterion accepts before it rejects one."""
        omegas = [criteria[phase_of(candidate)] for candidate in state["candidates"]]
        seed, index = state["seed"], len(state["steps"])
        return accepted_run(state["rewards"], omegas, seed=seed, first_index=index, uniform=uniform)

    def score_or_accept(state: RSDState) -> str:
        return "accept" if options.writes_alone("draft", state) else "score"

    def accept_or_reject(state: RSDState) -> str:
        # Algorithm 1: y_i = y^_i if A_omega(r_i), else y_i ~ P_M(. | z_i)
        return "accept" if accepted(state) == len(state["candidates"]) else "target"

    def continue_or_finish(state: RSDState) -> str:
        # Algorithm 1: until EOS in y_i or length >= N
        alone = options.writes_alone("target", state)
        return END if state["finish_reason"] else "target" if alone else "draft"

    nodes: dict[str, NodeFunction] = {
        "draft": partial(draft_step, drafter=early.drafter, options=options),
        "score": partial(
            score_steps,
            prm=models.prm,
            early=early,
            options=options,
            on_error=checked("on_prm_error", on_prm_error),
            accepted=accepted,
        ),
        "accept": partial(accept_step, hedge=early.hedge, limits=limits),
        "target": partial(target_step, early=early, options=options, accepted=accepted),
    }
    graph = RSDGraph(early)
    graph.add_node("begin", Pure("begin", begin), **traced("begin", models))
    for name, node in nodes.items():
        graph.add_node(name, Node(name, node, graph, accepted), **traced(name, models))

    graph.add_edge(START, "begin")
    graph.add_edge("begin", "draft")
    if phases.answer_by == "draft":
        graph.route("draft", score_or_accept, ["score", "accept"])
    else:
        graph.add_edge("draft", "score")
    graph.route("score", accept_or_reject, ["accept", "target"])
    writers = ["draft", "target"] if phases.answer_by == "target" else ["draft"]
    for settled in ("accept", "target"):
        graph.route(settled, continue_or_finish, [*writers, END])
    return graph
