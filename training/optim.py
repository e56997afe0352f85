"""Muon for matrices, AdamW for the rest, and one learning-rate schedule for both.

Muon orthogonalises each momentum matrix. Matrices of one shape are stacked and treated together,
because dozens of tiny products cost more in call overhead than in arithmetic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from training.model import FAST, LanguageModel

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
WARM_UP_STEPS = 50
FINAL_FRACTION = 0.02


def orthogonalise(matrices: Tensor) -> Tensor:
    """Push the singular values of a stack of matrices towards one (Newton-Schulz iteration)."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.to(FAST)
    wide = x if x.size(-2) <= x.size(-1) else x.mT
    wide = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = wide @ wide.mT
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    result: Tensor = wide if x.size(-2) <= x.size(-1) else wide.mT
    return result.to(matrices.dtype)


class Muon(Optimizer):
    """Momentum whose update is orthogonalised (Jordan et al., 2024)."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every group of equally shaped matrices at once."""
        for group in self.param_groups:
            stacks: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                stacks[parameter.shape].append(parameter)
            for shape, parameters in stacks.items():
                self._update(shape, parameters, group["lr"], group["momentum"])

    def _update(
        self, shape: torch.Size, parameters: list[Tensor], lr: float, momentum: float
    ) -> None:
        gradient = torch.stack([p.grad for p in parameters if p.grad is not None])
        state = self.state[parameters[0]]
        buffer = state.setdefault("momentum", torch.zeros_like(gradient))
        buffer.lerp_(gradient, 1 - momentum)
        update = orthogonalise(gradient.lerp(buffer, momentum))
        scale = max(1.0, shape[0] / shape[1]) ** 0.5
        torch._foreach_add_(parameters, list(update.unbind()), alpha=-lr * scale)


def build_optimizers(model: LanguageModel, muon_lr: float, adam_lr: float) -> list[Optimizer]:
    """Give the layers' matrices to Muon and embeddings, norms and biases to AdamW."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    adam = AdamW(others, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    return [Muon(matrices, lr=muon_lr), adam]


def learning_rate_factor(step: int, total: int, decay_start: float) -> float:
    """Warm up, stay flat until *decay_start* (a fraction of *total*), then fall linearly."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    left = (total - step) / max(1.0, total * (1 - decay_start))
    return max(FINAL_FRACTION, min(1.0, left))
