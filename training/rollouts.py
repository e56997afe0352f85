"""Checks on what draft checkpoints really write, labelled by arithmetic.

Synthetic corruptions cover what we thought of; rollouts cover the rest. Several checkpoints of
different skill are used, so that the reward model does not learn one draft's habits.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from rsd_graph.embedded.task import Problem
from training.batches import training_problem
from training.chat import SEPARATOR, TURN_END, render_question, token_id
from training.checks import Check
from training.generate import Sampling, generate
from training.model import LanguageModel
from training.recipes import RECIPES

TEMPERATURES = (0.0, 0.7, 1.0)
LONGEST_SOLUTION = 130


def load_model(role: str, weights: Path) -> LanguageModel:
    """Rebuild a trained role."""
    model = LanguageModel(RECIPES[role].shape)
    model.load_state_dict(torch.load(weights, weights_only=True))
    return model.eval()


def roll_out(
    model: LanguageModel, problems: Sequence[Problem], tokenizer: Tokenizer, temperature: float
) -> list[list[str]]:
    """Let *model* solve every problem; return the steps it wrote."""
    prompts = [tokenizer.encode(render_question(p.question)).ids for p in problems]
    stop = {token_id(tokenizer, TURN_END)}
    rows = generate(model, prompts, Sampling(stop, LONGEST_SOLUTION, temperature))
    return [tokenizer.decode(row.ids).split(SEPARATOR) for row in rows]


def checks_of(problem: Problem, steps: Sequence[str]) -> Iterator[Check]:
    """Yield one check per written step, up to and including the first wrong one."""
    for index, candidate in enumerate(steps[: len(problem.steps)]):
        check = Check(problem.question, tuple(steps[:index]), candidate, problem.steps[index])
        yield check
        if not check.good:
            return


def collect_rollouts(
    checkpoints: Sequence[Path], per_checkpoint: int, tokenizer: Tokenizer, rng: random.Random
) -> dict[tuple[int, int], list[Check]]:
    """Gather checks by number of events and of settled steps, so that batches need no padding."""
    pool: defaultdict[tuple[int, int], list[Check]] = defaultdict(list)
    for checkpoint in checkpoints:
        model = load_model("draft", checkpoint)
        for temperature in TEMPERATURES:
            problems = [training_problem(rng) for _ in range(per_checkpoint)]
            written = roll_out(model, problems, tokenizer, temperature)
            for problem, steps in zip(problems, written, strict=True):
                for check in checks_of(problem, steps):
                    pool[len(problem.steps) - 1, len(check.settled)].append(check)
    return pool
