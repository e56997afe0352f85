"""Reading a calibrated delta back, for the PRM it was calibrated on and no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsd_graph.acceptance import Criterion, criterion, reward_threshold
from rsd_graph.answer.options import Accept, OneAccept
from rsd_graph.answer.state import Phase
from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.address import model_identity
from rsd_graph.providers.base import RewardModel
from rsd_graph.providers.prm.learned import Learned
from rsd_graph.providers.prm.spelled import parts_of
from rsd_graph.stacks.text_file import read_text

FORMAT = "rsd-graph calibration 1"


def chosen_criterion(
    accept: Accept | None, delta: float | str, prm: object
) -> Criterion | Mapping[Phase, Criterion]:
    """The acceptance criterion that the options *accept* and *delta* stand for, with this PRM; or
    one for each phase.

    Raises:
        ConfigurationError: No such criterion, or see `calibrated_delta`.
    """
    if accept is None:
        return reward_threshold(calibrated_delta(delta, prm))
    if isinstance(accept, Mapping):
        return {phase: _named(each) for phase, each in accept.items()}
    return _named(accept)


def _named(accept: OneAccept) -> Criterion:
    return criterion(accept) if isinstance(accept, str) else accept


def calibrated_delta(delta: float | str | Path, prm: object) -> float:
    """The threshold that *delta* is, or the one in the calibration file that it names.

    Raises:
        ConfigurationError: No such file, not a calibration, or one of another PRM: rewards mean
            different things to different PRMs.
    """
    if not isinstance(delta, str | Path):
        return delta
    content = _read(Path(delta))
    ours, theirs = model_identity(prm), content["prm"]
    if ours != theirs:
        raise ConfigurationError(
            f"{delta} was calibrated for another PRM.",
            role="prm",
            expected=f"{theirs}, found {ours}",
            hint="Run rsd-graph calibrate with this PRM.",
        )
    return float(content["delta"])


def check_learned(prm: RewardModel, draft: object) -> None:
    """Refuse a verdict that was learned on the words of another draft than this.

    Args:
        prm: What scores; verdicts inside a cascade are looked at, too.
        draft: Endpoint string or object.

    Raises:
        ConfigurationError: One was.
    """
    for part in parts_of(prm):
        if isinstance(part, Learned):
            part.check("draft", draft)


def _read(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is no calibration file: {error}.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ConfigurationError(
            f"{path} is no calibration file.",
            expected=f"the format {FORMAT!r}",
            hint="Write one with rsd-graph calibrate.",
        )
    return content
