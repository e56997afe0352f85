"""Process reward models: one class per way a PRM answers."""

from rsd_graph.providers.prm.format import MATH_SHEPHERD, RECOMPUTE, RLHFLOW, PRMFormat
from rsd_graph.providers.prm.function import FunctionPRM
from rsd_graph.providers.prm.pooling import PoolingPRM
from rsd_graph.providers.prm.ratio import HybridRatio, LikelihoodRatio
from rsd_graph.providers.prm.token_probability import TokenProbabilityPRM

__all__ = [
    "MATH_SHEPHERD",
    "RECOMPUTE",
    "RLHFLOW",
    "FunctionPRM",
    "HybridRatio",
    "LikelihoodRatio",
    "PRMFormat",
    "PoolingPRM",
    "TokenProbabilityPRM",
]
