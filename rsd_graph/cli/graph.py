"""`rsd-graph graph`: the algorithm as a drawing."""

from __future__ import annotations


def graph() -> None:
    """Print the algorithm as a Mermaid drawing."""
    from rsd_graph import ScriptedRewardModel, ScriptedStepModel, create_rsd_graph

    nobody = ScriptedStepModel([])
    drawn = create_rsd_graph(draft=nobody, target=nobody, prm=ScriptedRewardModel([]))
    print(drawn.compile().get_graph().draw_mermaid(), end="")
