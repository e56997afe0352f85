"""RSD with another scorer than the run's PRM, its costs booked as those of the model that had them.

A scorer is an endpoint string, in which the run's own models can be named: `prm`, `draft` and
`target`, and with a family before it one of the two as a judge, as in `doubt+draft`. What a judge
spends is that model's own, and wasted, as no word of it is in the answer; so are the drafts that
vote in `agree:4,draft`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

from rsd_graph.acceptance import Criterion, reward_threshold
from rsd_graph.answer.ledger import Entry, Ledger, Usage, add
from rsd_graph.answer.state import Candidate, Phase, Source
from rsd_graph.chat_models.naming import public
from rsd_graph.errors import CapabilityError
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Prefix, RewardModel, Scores, StepModel, StepRequest
from rsd_graph.providers.prm.format import PRMFormat
from rsd_graph.providers.prm.spelled import spelled
from rsd_graph.providers.prm.token_probability import TokenProbabilityPRM
from rsd_graph.providers.registry import FAMILIES, reward_model, step_model
from rsd_graph.providers.wires.hosted import HostedModel


def verdict(setup: Setup, delta: str, spec: str) -> Arm:
    """RSD that accepts what the scorer *spec* gives at least *delta*.

    Raises:
        CapabilityError: A judge whose server cannot be asked.
        ConfigurationError: The string spells no scorer.
    """
    return _judged(setup, reward_threshold(float(delta)), spec)


def by_phase_verdict(setup: Setup, thinking: str, answer: str, spec: str) -> Arm:
    """The same with one delta for what is thought and one for what is answered."""
    deltas: dict[Phase, str] = {"thinking": thinking, "answer": answer}
    accept = {phase: reward_threshold(float(delta)) for phase, delta in deltas.items()}
    return replace(_judged(setup, accept, spec), name=f"RSD {thinking}, {answer}, {public(spec)}")


def _judged(setup: Setup, accept: Criterion | Mapping[Phase, Criterion], spec: str) -> Arm:
    """RSD with the scorer *spec*.

    Raises:
        CapabilityError: A judge whose server cannot be asked.
        ConfigurationError: The string spells no scorer.
    """
    books = Books()
    judged = setup.with_logprobs().with_models(prm=_scorer(spec, setup, books))
    arm = rsd(judged, accept)

    async def solve(question: str, seed: int) -> Outcome:
        outcome = await arm.solve(question, seed)
        return replace(outcome, ledger=books.settle(question, outcome.ledger))

    return Arm(f"{arm.name}, {public(spec)}", solve, arm.delta)


class Books:
    """What draft and target spent on verdicts, by question, until its answer is done."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, list[tuple[Source, Usage, int]]] = defaultdict(list)

    def note(self, question: str, role: Source, spent: Usage, verdicts: int) -> None:
        """Remember what *verdicts* about an answer cost."""
        self._spent[question].append((role, spent, verdicts))

    def settle(self, question: str, ledger: Ledger) -> Ledger:
        """*ledger* with those costs moved from the PRM to the models that had them."""
        for role, spent, verdicts in self._spent.pop(question, []):
            words = spent["completion_tokens"]
            of_role: Entry = (
                {"draft": spent, "wasted_draft_tokens": words}
                if role == "draft"
                else {"target": spent, "wasted_target_tokens": words}
            )
            taken: Entry = {"prm": negative(spent), "scored_steps": -verdicts}
            ledger = add(ledger, of_role, taken)
        return ledger


class Judge:
    """Draft or target as a scorer: what it spends is noted."""

    def __init__(self, judge: RewardModel, role: Source, books: Books) -> None:
        self._judge = judge
        self._role: Source = role
        self._books = books

    @property
    def reward_range(self) -> tuple[float, float]:
        """The judge's own."""
        return self._judge.reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`."""
        scores = await self._judge.score(prefix, candidates)
        question = prefix.conversation[-1]["content"]
        self._books.note(question, self._role, scores.usage, scores.verdicts)
        return scores


class Voter:
    """The draft as it votes: what it writes is noted."""

    def __init__(self, draft: StepModel, books: Books) -> None:
        self._draft = draft
        self._books = books

    async def write_step(self, request: StepRequest) -> Candidate:
        """See `StepModel.write_step`."""
        written = await self._draft.write_step(request)
        question = request.prefix.conversation[-1]["content"]
        self._books.note(question, "draft", written["usage"], 0)
        return written


def _scorer(spec: str, setup: Setup, books: Books) -> RewardModel:
    """The scorer that *spec* spells, with the run's models in it."""

    def scorer(spec: str) -> RewardModel:
        if spec == "prm":
            return setup.models.prm
        for role in get_args(Source):
            if judge := re.fullmatch(rf"([\w-]+)\+{role}", spec):
                return Judge(_judge(judge[1], role, setup), role, books)
        return spelled(spec, scorer, writer) or reward_model(spec)

    def writer(spec: str) -> StepModel:
        return Voter(setup.models.draft, books) if spec == "draft" else step_model(spec, "draft")

    return scorer(spec)


def _judge(family: str, role: Source, setup: Setup) -> RewardModel:
    """One of the run's two models, asked as PRMs of that family are."""
    model = setup.models.draft if role == "draft" else setup.models.target
    asked = FAMILIES.load(family)
    if isinstance(model, HostedModel) and isinstance(asked, PRMFormat):
        return TokenProbabilityPRM(model.wire, asked)
    raise CapabilityError(
        f"{type(model).__name__} cannot judge steps as {family}.",
        role=role,
        expected="a model whose server continues text, such as vllm+http://, and a family whose "
        "verdict is a token",
    )


def negative(spent: Usage) -> Usage:
    """What takes *spent* off again when it is added."""
    return Usage(
        calls=-spent["calls"],
        prompt_tokens=-spent["prompt_tokens"],
        cached_tokens=-spent["cached_tokens"],
        cache_unreported_calls=-spent["cache_unreported_calls"],
        completion_tokens=-spent["completion_tokens"],
        ms=-spent["ms"],
    )
