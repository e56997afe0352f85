"""The nodes of the graph: each calls one provider and books what it cost. They decide nothing."""

from rsd_graph.nodes.accept import accept_step
from rsd_graph.nodes.begin import begin
from rsd_graph.nodes.draft import draft_step
from rsd_graph.nodes.score import score_steps
from rsd_graph.nodes.target import target_step

__all__ = ["accept_step", "begin", "draft_step", "score_steps", "target_step"]
