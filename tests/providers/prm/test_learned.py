"""A verdict that was learned, read from its file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ConfigurationError, Endpoint, ScriptedRewardModel
from rsd_graph.providers.prm import Learned
from rsd_graph.providers.prm.learned import Lesson
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.providers.prm.test_features import PREFIX, sure

LESSON: dict[str, Any] = {
    "format": "rsd-graph learned verdict 1",
    "draft": "vllm#small",
    "prm": "embedded:prm",
    "label": "the PRM's reward is at least 0.7",
    "bias": 1.0,
    "weights": {"position": -0.5},
    "unsure": [0.2, 0.9],
    "held_out": {"auroc": 0.9},
}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "learned.json"
    path.write_text(json.dumps(LESSON | changes))
    return path


async def test_a_weighted_sum_of_features_is_a_probability(tmp_path: Path) -> None:
    """Each step at its own position; no model is asked."""
    learned = Learned.load(written(tmp_path))

    scores = await learned.score(PREFIX, [sure(), sure(), sure()])

    expected = [1 / (1 + math.exp(-(1.0 - 0.5 * place))) for place in (0, 1, 2)]
    assert scores.rewards == pytest.approx(expected)
    assert (scores.usage["calls"], scores.verdicts) == (0, 0)
    assert learned.unsure == (0.2, 0.9)


async def test_a_prms_reward_may_be_one_of_the_features(tmp_path: Path) -> None:
    """Then the PRM is asked, and what it costs is booked."""
    path = written(tmp_path, bias=-2.0, weights={"reward": 4.0})
    learned = Learned.load(path, ScriptedRewardModel([0.5]))

    scores = await learned.score(PREFIX, [sure()])

    assert scores.rewards == [0.5]
    assert (scores.usage["calls"], scores.verdicts) == (1, 1)


@pytest.mark.parametrize(
    ("weights", "prm", "words"),
    [
        ({"reward": 1.0}, None, "beside a PRM's reward"),
        ({"position": 1.0}, ScriptedRewardModel([]), "without a PRM's reward"),
    ],
)
def test_it_is_used_as_it_was_learned(
    tmp_path: Path, weights: dict[str, float], prm: Any, words: str
) -> None:
    """With a PRM's reward, or without."""
    with pytest.raises(ConfigurationError, match=words):
        Learned.load(written(tmp_path, weights=weights), prm)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "rsd-graph calibration 1"}, "format: Input should be"),
        ({"weights": {"mood": 1.0}}, "weights of unknown features: mood"),
        ({"bias": "much"}, "bias: Input should be a valid number"),
        ({"unsure": [0.2]}, "unsure"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """The error says what is wrong, and which command writes a right one."""
    path = written(tmp_path, **changes)

    with pytest.raises(ConfigurationError, match=words) as caught:
        Learned.load(path)

    assert "calibrate --learn" in str(caught.value)


def test_a_file_that_is_not_there_or_no_json(tmp_path: Path) -> None:
    """Both are one of our errors."""
    (tmp_path / "picture").write_bytes(b"\xff\xd8")

    with pytest.raises(ConfigurationError, match="cannot be read"):
        Learned.load(tmp_path / "nowhere.json")
    with pytest.raises(ConfigurationError, match="is no learned verdict"):
        Learned.load(tmp_path / "picture")


@pytest.mark.parametrize(
    "draft",
    [
        "vllm+http://anywhere:8000/v1?logprobs=on&timeout=3#small",
        HostedModel(VLLMWire(Endpoint("http://h", "small")), logprobs=True),
    ],
)
def test_it_belongs_to_one_draft(draft: Any) -> None:
    """Wherever that is served; an object is known by its model's name."""
    Learned(Lesson.model_validate(LESSON)).check("draft", draft)


@pytest.mark.parametrize(
    "draft",
    [
        "vllm+http://anywhere:8000/v1#large",
        "embedded:draft",
        HostedModel(VLLMWire(Endpoint("http://h", "large")), logprobs=True),
        HostedModel(VLLMWire(Endpoint("http://h")), logprobs=True),
    ],
)
def test_it_belongs_to_no_other(draft: Any) -> None:
    """Another draft is sure of other things."""
    with pytest.raises(ConfigurationError, match="belongs to another draft"):
        Learned(Lesson.model_validate(LESSON)).check("draft", draft)
