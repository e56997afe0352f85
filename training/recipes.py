"""What each role is and how long it trains: every number that decides a shipped weight."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from training.model import Shape

VOCABULARY = 471
THINKING_VOCABULARY = VOCABULARY + 6

Data = Literal[
    *("solutions", "mixed", "foreign", "checks", "dense checks", "carry checks"),
    *("wandering thoughts", "straight thoughts", "thinking checks"),
]


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own schedule.

    *decay_start* and *stop* are fractions of *steps*. Stopping before the learning rate has come
    down is the dial of the draft's skill: the last fifth of it is worth 30 points.
    A phase with *restart* draws from a random stream of its own, numbered by it.
    """

    steps: int
    batch: int
    muon_lr: float
    adam_lr: float
    decay_start: float = 0.5
    stop: float = 1.0
    data: Data = "solutions"
    restart: int = 0

    @property
    def steps_run(self) -> int:
        """How many of the scheduled steps are taken."""
        return round(self.steps * self.stop)


@dataclass(frozen=True)
class Recipe:
    """A model shape and the phases it goes through, from the weights of shipped model *start*.

    One that *thinks* has a chat template that opens its thinking.
    """

    shape: Shape
    phases: tuple[Phase, ...]
    start: str | None = None
    thinks: bool = False


RECIPES = {
    "draft": Recipe(
        Shape(layers=2, width=64, heads=2, feed_forward=160, vocabulary=VOCABULARY),
        (Phase(steps=2200, batch=12, muon_lr=0.01, adam_lr=3e-3, stop=0.85),),
    ),
    "target": Recipe(
        Shape(layers=4, width=192, heads=6, feed_forward=512, vocabulary=VOCABULARY),
        (Phase(steps=5000, batch=12, muon_lr=0.006, adam_lr=2e-3, decay_start=0.4),),
    ),
    "prm": Recipe(
        Shape(layers=3, width=64, heads=2, feed_forward=128, vocabulary=VOCABULARY),
        (
            Phase(steps=3500, batch=12, muon_lr=0.01, adam_lr=3e-3, data="mixed"),
            Phase(steps=2500, batch=16, muon_lr=0.01, adam_lr=3e-3, data="foreign"),
            Phase(steps=6500, batch=16, muon_lr=0.01, adam_lr=3e-3, data="checks"),
            Phase(
                steps=3000,
                batch=16,
                muon_lr=0.006,
                adam_lr=3e-3,
                decay_start=0.3,
                data="dense checks",
                restart=77,
            ),
            Phase(
                steps=5000,
                batch=16,
                muon_lr=0.01,
                adam_lr=3e-3,
                decay_start=0.3,
                data="dense checks",
                restart=78,
            ),
            Phase(
                steps=9000,
                batch=16,
                muon_lr=0.01,
                adam_lr=3e-3,
                decay_start=0.2,
                data="carry checks",
                restart=79,
            ),
        ),
    ),
}
THINKING_RECIPES = {
    "thinking-draft": Recipe(
        replace(RECIPES["prm"].shape, vocabulary=THINKING_VOCABULARY),
        (Phase(steps=2000, batch=12, muon_lr=0.006, adam_lr=3e-3, data="wandering thoughts"),),
        start="prm",
        thinks=True,
    ),
    "thinking-target": Recipe(
        replace(RECIPES["target"].shape, vocabulary=THINKING_VOCABULARY),
        (
            Phase(
                steps=1500,
                batch=12,
                muon_lr=0.006,
                adam_lr=2e-3,
                decay_start=0.4,
                data="straight thoughts",
            ),
        ),
        start="target",
        thinks=True,
    ),
    "thinking-prm": Recipe(
        replace(RECIPES["prm"].shape, vocabulary=THINKING_VOCABULARY),
        (Phase(steps=1500, batch=16, muon_lr=0.006, adam_lr=3e-3, data="thinking checks"),),
        start="prm",
    ),
}
ALL_RECIPES = {**RECIPES, **THINKING_RECIPES}
