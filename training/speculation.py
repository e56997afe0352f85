"""Reward-guided speculative decoding on the three models, with every token counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from rsd_graph.embedded.task import Problem, extract_answer
from training.chat import SEPARATOR, TURN_END, render_check, render_prefix, token_id
from training.checks import Check
from training.generate import Sampling, generate
from training.model import LanguageModel
from training.reward import score_checks

LONGEST_STEP = 40
MOST_STEPS = 12


@dataclass
class Meter:
    """Counts one model's tokens, given a prefix cache that never forgets the last sequence."""

    generated: int = 0
    processed: int = 0
    calls: int = 0
    cache: list[int] = field(default_factory=list)

    def record(self, prompt: list[int], written: list[int]) -> None:
        """Count a call: the part of its prompt not cached yet, and what it wrote."""
        common = 0
        for cached, wanted in zip(self.cache, prompt, strict=False):
            if cached != wanted:
                break
            common += 1
        self.generated += len(written)
        self.processed += len(prompt) - common + len(written)
        self.calls += 1
        self.cache = prompt + written


@dataclass
class Run:
    """One problem under way."""

    problem: Problem
    settled: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    finished: bool = False
    meters: dict[str, Meter] = field(
        default_factory=lambda: {role: Meter() for role in ("draft", "target", "prm")}
    )

    @property
    def solved(self) -> bool:
        """Whether the last settled step boxes the true answer."""
        return bool(self.settled) and extract_answer(self.settled[-1]) == self.problem.answer


@dataclass(frozen=True)
class Trio:
    """Three models and the tokenizer they share."""

    draft: LanguageModel
    target: LanguageModel
    prm: LanguageModel
    tokenizer: Tokenizer

    def model(self, role: str) -> LanguageModel:
        """Return the model that plays *role*."""
        return {"draft": self.draft, "target": self.target, "prm": self.prm}[role]

    def write(self, role: str, runs: Sequence[Run]) -> list[tuple[str, bool]]:
        """Let draft or target write one step per run; tell whether it ended the answer."""
        prompts = [self._encode(render_prefix(r.problem.question, r.settled)) for r in runs]
        end = token_id(self.tokenizer, TURN_END)
        stop = {end, token_id(self.tokenizer, SEPARATOR)}
        rows = generate(self.model(role), prompts, Sampling(stop, LONGEST_STEP))
        for run, prompt, row in zip(runs, prompts, rows, strict=True):
            run.meters[role].record(prompt, row.ids)
        texts = [self.tokenizer.decode(row.ids).removesuffix(SEPARATOR) for row in rows]
        return [(text, row.ids[-1] == end) for text, row in zip(texts, rows, strict=True)]

    def score(self, runs: Sequence[Run], candidates: Sequence[str]) -> list[float]:
        """Let the reward model judge one candidate per run."""
        checks = [
            Check(run.problem.question, tuple(run.settled), candidate, due="")
            for run, candidate in zip(runs, candidates, strict=True)
        ]
        scored = score_checks(self.prm, checks, self.tokenizer)
        for run, check, (_, row) in zip(runs, checks, scored, strict=True):
            prompt = render_check(check.question, check.settled, check.candidate)
            run.meters["prm"].record(self._encode(prompt), row.ids)
        return [reward for reward, _ in scored]

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text).ids)


def settle(run: Run, step: tuple[str, bool], source: str) -> None:
    """Append a step and notice the end."""
    text, ended = step
    run.settled.append(text)
    run.sources.append(source)
    run.finished = ended or len(run.settled) >= MOST_STEPS


def solve_alone(trio: Trio, role: str, problems: Sequence[Problem]) -> list[Run]:
    """Let one model write every step."""
    runs = [Run(problem) for problem in problems]
    while active := [run for run in runs if not run.finished]:
        for run, step in zip(active, trio.write(role, active), strict=True):
            settle(run, step, role)
    return runs


def solve_together(trio: Trio, problems: Sequence[Problem], delta: float) -> list[Run]:
    """Draft, score, and let the target write again what scored below *delta*."""
    runs = [Run(problem) for problem in problems]
    while active := [run for run in runs if not run.finished]:
        candidates = trio.write("draft", active)
        rewards = trio.score(active, [text for text, _ in candidates])
        rejected = []
        for run, candidate, reward in zip(active, candidates, rewards, strict=True):
            if reward >= delta:
                settle(run, candidate, "draft")
            else:
                rejected.append(run)
        for run, step in zip(rejected, trio.write("target", rejected), strict=True):
            settle(run, step, "target")
    return runs
