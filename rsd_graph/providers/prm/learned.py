"""A verdict learned from your own prompts: what the draft's words say of a step, weighed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FiniteFloat, ValidationError

from rsd_graph.acceptance import sigmoid
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.adapted import adapted_prm
from rsd_graph.providers.address import model_identity
from rsd_graph.providers.base import Prefix, RewardModelLike, Scores
from rsd_graph.providers.prm.each import opinion
from rsd_graph.providers.prm.features import FEATURES, features_of, free

REWARD = "reward"
"""The feature that is a PRM's reward of the step."""


def _known(weights: dict[str, float]) -> dict[str, float]:
    if strange := {*weights} - {*FEATURES, REWARD}:
        raise ValueError(f"weights of unknown features: {', '.join(sorted(strange))}")
    return weights


class Lesson(BaseModel):
    """What `rsd-graph calibrate --learn` writes, as far as a verdict needs it.

    Attributes:
        format: Of the file.
        draft: The model whose words it was learned on, as `model_identity` names it.
        prm: The PRM that taught it, or stood beside it.
        label: What a good step is, in words.
        bias: Log-odds of a good step whose features are all 0.
        weights: What each feature adds to the log-odds, by name.
        unsure: Probabilities in [low, high) are left to a PRM.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal["rsd-graph learned verdict 1"]
    draft: str
    prm: str
    label: str
    bias: FiniteFloat
    weights: Annotated[dict[str, FiniteFloat], AfterValidator(_known)]
    unsure: tuple[FiniteFloat, FiniteFloat]

    def probability(self, features: Mapping[str, float]) -> float:
        """The probability that a step with these *features* is good."""
        return sigmoid(self.bias + sum(w * features[name] for name, w in self.weights.items()))


class Learned:
    """r = the probability, by a logistic regression, that the step is good.

    What good means is in the file: by default, that the PRM which taught it would have accepted the
    step. The draft must report its log-probabilities, and be the one it was learned on.

    Args:
        lesson: What was learned.
        prm: The PRM whose reward is one of the features, if it was learned so.

    Raises:
        ConfigurationError: It needs a PRM's reward, and none was given; or the other way round.
    """

    reward_range = (0.0, 1.0)

    def __init__(self, lesson: Lesson, prm: RewardModelLike | None = None) -> None:
        if (REWARD in lesson.weights) is (prm is None):
            how = "beside" if prm is None else "without"
            raise ConfigurationError(
                f"this verdict was learned {how} a PRM's reward.",
                role="prm",
                expected=f"learned:FILE,{lesson.prm}" if prm is None else "learned:FILE",
            )
        self.lesson = lesson
        self.members = () if prm is None else (adapted_prm(prm),)

    @classmethod
    def load(cls, path: str | Path, prm: RewardModelLike | None = None) -> Learned:
        """The verdict in a file that `rsd-graph calibrate --learn` wrote.

        Raises:
            ConfigurationError: There is no such file, or it is another; or see the class.
        """
        try:
            lesson = Lesson.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
        except ValidationError as error:
            wrong = error.errors()[0]
            what = f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
            raise _no_lesson(path, what) from error
        except ValueError as error:
            raise _no_lesson(path, str(error)) from error
        return cls(lesson, prm)

    @property
    def unsure(self) -> tuple[float, float]:
        """The rewards that a `Cascade` leaves to its PRM, unless it is told others."""
        return self.lesson.unsure

    def check(self, role: Literal["draft", "prm"], model: object) -> None:
        """Refuse another model than it was learned on; of an object, the model's name must agree.

        Raises:
            ConfigurationError: It is another.
        """
        ours, theirs = model_identity(model), getattr(self.lesson, role)
        if ours == theirs:
            return
        if not isinstance(model, str) and "#" in ours and _name(ours) == _name(theirs):
            return
        raise ConfigurationError(
            f"the learned verdict belongs to another {role}.",
            role=role,
            expected=f"{theirs}, found {ours}",
            hint="Run rsd-graph calibrate --learn with this one.",
        )

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            CapabilityError: The draft reported no log-probabilities.
            ProviderError: The PRM beside it failed.
        """
        rows = [features_of(each, len(prefix.steps) + n) for n, each in enumerate(candidates)]
        if not self.members:
            return free([self.lesson.probability(row) for row in rows])
        (prm,) = self.members
        scores, spent = await opinion(prm, prefix, candidates)
        pairs = zip(rows, scores.rewards, strict=True)
        rewards = [self.lesson.probability({**row, REWARD: reward}) for row, reward in pairs]
        return Scores(rewards, spent, judged=scores.verdicts)


def _name(identity: str) -> str:
    return identity.partition("#")[2]


def _no_lesson(path: str | Path, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is no learned verdict: {what}.",
        expected="a file written by rsd-graph calibrate --learn",
    )
