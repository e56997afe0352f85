"""Train one role, from scratch or from shipped weights.

Step counts are fixed, there is one seed, and no wall clock in the schedule.

The reward model learns from rollouts of the draft, so the draft is trained before it.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from training.batches import Batch, Sampler, batches, solution_sampler
from training.chat import token_id
from training.export import MODELS
from training.model import FAST, LanguageModel, causal_mask
from training.optim import build_optimizers, learning_rate_factor
from training.recipes import ALL_RECIPES, Phase
from training.rollouts import collect_rollouts
from training.samplers import (
    carry_sampler,
    check_sampler,
    dense_sampler,
    foreign_sampler,
    mixed_solution_sampler,
)
from training.thinking import (
    LIKE,
    STRAIGHT,
    WANDERING,
    thinking_check_sampler,
    thinking_sampler,
)

LOG_EVERY = 100
CHECKPOINTS = 10
ROLLOUT_CHECKPOINTS = (3, 5, 7, 9)
ROLLOUTS_EACH = 600
HABITS = {"wandering thoughts": WANDERING, "straight thoughts": STRAIGHT}


def batch_loss(model: LanguageModel, batch: Batch) -> Tensor:
    """Mean cross-entropy over the supervised tokens, in bfloat16 where that is safe and fast."""
    length = batch.ids.size(1)
    with torch.autocast("cpu", FAST, enabled=FAST is not torch.float32):
        hidden = model.hidden(batch.ids, torch.arange(length), causal_mask(length))
        logits = model.logits(hidden[batch.supervised])
    return F.cross_entropy(logits.float(), batch.successors)


def choose_sampler(phase: Phase, out: Path, tokenizer: Tokenizer, rng: random.Random) -> Sampler:
    """Give a phase its data; checks need the draft's checkpoints in *out*."""
    if phase.data == "solutions":
        return solution_sampler(phase.batch)
    if phase.data == "mixed":
        return mixed_solution_sampler(phase.batch)
    if phase.data == "foreign":
        return foreign_sampler(phase.batch)
    if phase.data in HABITS:
        return thinking_sampler(phase.batch, HABITS[phase.data])
    if phase.data == "thinking checks":
        checks = check_sampler(phase.batch, {}, dense_sampler(phase.batch))
        return thinking_check_sampler(phase.batch, carry_sampler(phase.batch, checks))
    weights = [checkpoint_path(out / "draft", number) for number in ROLLOUT_CHECKPOINTS]
    pool = collect_rollouts([*weights, out / "draft" / "final.pt"], ROLLOUTS_EACH, tokenizer, rng)
    solutions = mixed_solution_sampler if phase.data == "checks" else dense_sampler
    checks = check_sampler(phase.batch, pool, solutions(phase.batch))
    return carry_sampler(phase.batch, checks) if phase.data == "carry checks" else checks


def checkpoint_path(folder: Path, number: int) -> Path:
    """Name the checkpoint left after *number* tenths of a role's last phase."""
    return folder / f"checkpoint{number}.pt"


def train_phase(
    model: LanguageModel,
    phase: Phase,
    data: Iterable[Batch],
    folder: Path,
) -> None:
    """Run one phase, leaving a checkpoint after every tenth of it."""
    optimizers = build_optimizers(model, phase.muon_lr, phase.adam_lr)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    for step, batch in enumerate(data):
        factor = learning_rate_factor(step, phase.steps, phase.decay_start)
        loss = batch_loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if (step + 1) % (phase.steps_run // CHECKPOINTS) == 0:
            number = (step + 1) * CHECKPOINTS // phase.steps_run
            torch.save(model.state_dict(), checkpoint_path(folder, number))
        if step % LOG_EVERY == 0:
            print(f"{step} loss {loss.item():.4f} cpu {time.process_time():.0f} s", flush=True)


def restart(model: LanguageModel, seed: int, offset: int) -> tuple[LanguageModel, random.Random]:
    """Go on as a fresh run would, so that a phase can be repeated from the weights before it."""
    torch.manual_seed(seed)
    fresh = LanguageModel(model.shape)
    fresh.load_state_dict(model.state_dict())
    return fresh, random.Random(seed + offset)


def load_shipped(role: str) -> dict[str, Tensor]:
    """Read the weights of a model that comes with the package."""
    weights = load_file(MODELS / role / "model.safetensors")
    return {name: tensor.float() for name, tensor in weights.items()}


@torch.no_grad()
def take_over(model: LanguageModel, weights: Mapping[str, Tensor], tokenizer: Tokenizer) -> None:
    """Go on from the *weights* of a model with fewer tokens; those it has keep their numbers.

    A new one begins as the known one whose place it takes: it would take long to grow from nothing.
    """
    for name, parameter in model.named_parameters():
        parameter[: len(weights[name])] = weights[name]
    table = model.model.embed_tokens.weight
    for new, known in LIKE.items():
        table[token_id(tokenizer, new)] = table[token_id(tokenizer, known)]


def train_role(role: str, seed: int, out: Path) -> None:
    """Train a role and leave ``final.pt`` in its folder."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    recipe = ALL_RECIPES[role]
    folder = out / role
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    model = LanguageModel(recipe.shape)
    if recipe.start:
        take_over(model, load_shipped(recipe.start), tokenizer)
    print(f"{role}: {model.parameter_count} parameters", flush=True)
    for phase in recipe.phases:
        if phase.restart:
            model, rng = restart(model, seed, phase.restart)
        sampler = choose_sampler(phase, out, tokenizer, rng)
        train_phase(model, phase, batches(sampler, tokenizer, rng, phase.steps_run), folder)
    torch.save(model.state_dict(), folder / "final.pt")
    print(f"done in {time.process_time():.0f} CPU seconds", flush=True)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=sorted(ALL_RECIPES), required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    train_role(args.role, args.seed, args.out)


if __name__ == "__main__":
    main()
