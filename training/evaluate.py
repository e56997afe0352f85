"""Measure the exported models on held-out problems and write ``card.json``.

Everything is greedy and runs on the shipped fp16-rounded weights, in fp32.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from rsd_graph.embedded.task import Problem, held_out_problems
from training.card import model_card
from training.export import MODELS, write_json
from training.judging import Row, measure_corruptions, measure_rollouts, measure_wordings
from training.model import LanguageModel
from training.recipes import RECIPES
from training.speculation import Run, Trio, solve_alone, solve_together
from training.stats import wilson_interval

DELTA = 0.7
EVALUATION_SEED = 0
ROLES = ("draft", "target", "prm")


def load_exported(role: str, models: Path) -> LanguageModel:
    """Load a role as shipped."""
    model = LanguageModel(RECIPES[role].shape)
    weights = load_file(models / role / "model.safetensors")
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return model.eval()


def load_trio(models: Path) -> Trio:
    """Load the three roles and their tokenizer as shipped."""
    tokenizer = Tokenizer.from_file(str(models / "draft" / "tokenizer.json"))
    draft, target, prm = (load_exported(role, models) for role in ROLES)
    return Trio(draft, target, prm, tokenizer)


def summarise(trio: Trio, runs: Sequence[Run]) -> Row:
    """Return accuracy with its interval, and mean MFLOP per problem by all three countings."""
    solved = sum(run.solved for run in runs)
    low, high = wilson_interval(solved, len(runs))
    return {
        "accuracy": round(100 * solved / len(runs), 1),
        "interval_95": [round(100 * low, 1), round(100 * high, 1)],
        "paper_mflop": mflop(trio, runs, paper_tokens),
        "decode_mflop": mflop(trio, runs, decoded_tokens),
        "full_mflop": mflop(trio, runs, processed_tokens),
        "drafted_steps_kept": kept_share(runs),
        "generated_tokens": {
            role: round(sum(decoded_tokens(run, role) for run in runs) / len(runs), 1)
            for role in ROLES
        },
    }


def paper_tokens(run: Run, role: str) -> int:
    """Count as the paper does: generated tokens, and one reward-model token per scored step."""
    return run.meters[role].calls if role == "prm" else run.meters[role].generated


def decoded_tokens(run: Run, role: str) -> int:
    """Count every generated token, the verifier's working included."""
    return run.meters[role].generated


def processed_tokens(run: Run, role: str) -> int:
    """Count every token that went through the model, given perfect prefix caching."""
    return run.meters[role].processed


def mflop(trio: Trio, runs: Sequence[Run], count: Callable[[Run, str], int]) -> float:
    """Charge 2N for every token that *count* finds, N being the model's own size."""
    total = sum(
        2 * trio.model(role).parameter_count * count(run, role) for run in runs for role in ROLES
    )
    return round(total / len(runs) / 1e6, 2)


def kept_share(runs: Sequence[Run]) -> float | None:
    """Return which part of the drafted steps was settled, if any were drafted."""
    drafted = sum(run.meters["draft"].calls for run in runs)
    kept = sum(run.sources.count("draft") for run in runs)
    return round(kept / drafted, 3) if drafted else None


def measure_solving(trio: Trio, problems: Sequence[Problem]) -> dict[str, Row]:
    """Compare each writer alone with the three together."""
    return {
        "draft": summarise(trio, solve_alone(trio, "draft", problems)),
        "target": summarise(trio, solve_alone(trio, "target", problems)),
        "rsd": summarise(trio, solve_together(trio, problems, DELTA)),
    }


def measure(models: Path, count: int) -> dict[str, Row]:
    """Measure everything on *count* held-out problems."""
    trio, problems = load_trio(models), held_out_problems(count, EVALUATION_SEED)
    torch.manual_seed(EVALUATION_SEED)
    return {
        **measure_solving(trio, problems),
        "prm_on_draft_steps": measure_rollouts(trio, problems, DELTA),
        "prm_on_corruptions": measure_corruptions(trio, problems, DELTA),
        "prm_accepts_rewordings": measure_wordings(trio, problems, DELTA),
        "conditions": {"problems": count, "seed": EVALUATION_SEED, "delta": DELTA},
    }


def print_table(results: dict[str, Row]) -> None:
    """Print the results for a reader."""
    for name, row in results.items():
        print(f"{name:24}", "  ".join(f"{key} {value}" for key, value in row.items()))


def main() -> None:
    """Measure, print, and write the model card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--problems", type=int, default=500)
    args = parser.parse_args()
    torch.set_num_threads(1)
    results = measure(args.models, args.problems)
    print_table(results)
    write_json(args.models / "card.json", model_card(results))


if __name__ == "__main__":
    main()
