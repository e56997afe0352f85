"""Process reward models: one class per way a PRM answers."""

from rsd_graph.providers.prm.agreement import Agreement
from rsd_graph.providers.prm.by_phase import ByPhase
from rsd_graph.providers.prm.capped import Capped
from rsd_graph.providers.prm.cascade import Cascade
from rsd_graph.providers.prm.combine import Aggregated, Ensemble
from rsd_graph.providers.prm.confidence import DraftConfidence
from rsd_graph.providers.prm.features import FirstTokenCertainty, LeastLikelyToken
from rsd_graph.providers.prm.format import (
    MATH_SHEPHERD,
    RECOMPUTE,
    RLHFLOW,
    VERSAPRM,
    PRMFormat,
    Thinking,
)
from rsd_graph.providers.prm.function import FunctionPRM
from rsd_graph.providers.prm.generative import DOUBT, GENPRM, JUDGE, JUDGE_GREEDY, THINKPRM
from rsd_graph.providers.prm.learned import Learned
from rsd_graph.providers.prm.outcome import OutcomeRM
from rsd_graph.providers.prm.pooling import PoolingPRM, SplitPoolingPRM
from rsd_graph.providers.prm.ratio import HybridRatio, LikelihoodRatio
from rsd_graph.providers.prm.token_probability import TokenProbabilityPRM
from rsd_graph.providers.prm.token_rows import (
    PURE,
    SKYWORK,
    SKYWORK_PAPER,
    RowsFormat,
    TokenRowsPRM,
)

__all__ = [
    "DOUBT",
    "GENPRM",
    "JUDGE",
    "JUDGE_GREEDY",
    "MATH_SHEPHERD",
    "PURE",
    "RECOMPUTE",
    "RLHFLOW",
    "SKYWORK",
    "SKYWORK_PAPER",
    "THINKPRM",
    "VERSAPRM",
    "Aggregated",
    "Agreement",
    "ByPhase",
    "Capped",
    "Cascade",
    "DraftConfidence",
    "Ensemble",
    "FirstTokenCertainty",
    "FunctionPRM",
    "HybridRatio",
    "Learned",
    "LeastLikelyToken",
    "LikelihoodRatio",
    "OutcomeRM",
    "PRMFormat",
    "PoolingPRM",
    "RowsFormat",
    "SplitPoolingPRM",
    "Thinking",
    "TokenProbabilityPRM",
    "TokenRowsPRM",
]
