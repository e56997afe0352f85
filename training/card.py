"""The model card: what is shipped, how it was made and how well it does."""

from __future__ import annotations

from typing import Any

from training.chat import BAD, CHECK, GOOD
from training.model import LanguageModel
from training.recipes import ALL_RECIPES, RECIPES, THINKING_RECIPES
from training.reward import MAX_CHECK_TOKENS

LICENSE = "Apache-2.0"
SEED = 0
RESULTS = {
    "draft": ("draft",),
    "target": ("target",),
    "prm": ("rsd", "prm_on_draft_steps", "prm_on_corruptions", "prm_accepts_rewordings"),
}


def model_card(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Describe all roles; the verifier's protocol constants are part of its description."""
    card: dict[str, Any] = {role: role_card(role, results) for role in RECIPES}
    card["prm"]["check"] = {
        "tag": CHECK,
        "good": GOOD,
        "bad": BAD,
        "max_tokens": MAX_CHECK_TOKENS,
    }
    return {**card, "conditions": results["conditions"]}


def thinking_card() -> dict[str, Any]:
    """Describe the models that think; how well they do is measured by `benchmarks.thinking`."""
    roles = {name.removeprefix("thinking-"): role_card(name, {}) for name in THINKING_RECIPES}
    return {**roles, "conditions": {"measured_by": "python -m benchmarks.thinking"}}


def role_card(role: str, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Describe one role."""
    return {
        "parameters": LanguageModel(ALL_RECIPES[role].shape).parameter_count,
        "license": LICENSE,
        "training_command": f"python -m training.train --role {role} --seed {SEED} --out runs/",
        "seed": SEED,
        "held_out_results": {name: results[name] for name in RESULTS.get(role, ())},
    }
