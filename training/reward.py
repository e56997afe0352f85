"""Reading a reward off the verifier: the probability of its verdict token."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tokenizers import Tokenizer

from training.chat import BAD, GOOD, TURN_END, render_check, token_id
from training.checks import Check
from training.generate import Continuation, Sampling, generate
from training.model import LanguageModel

MAX_CHECK_TOKENS = 16
NO_VERDICT = 0.0


def score_checks(
    prm: LanguageModel, checks: Sequence[Check], tokenizer: Tokenizer
) -> list[tuple[float, Continuation]]:
    """Let *prm* work out every check; return each reward with the tokens that led to it."""
    verdicts = [token_id(tokenizer, GOOD), token_id(tokenizer, BAD)]
    texts = [render_check(c.question, c.settled, c.candidate) for c in checks]
    prompts = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    stop = {token_id(tokenizer, TURN_END)}
    rows = generate(prm, prompts, Sampling(stop, MAX_CHECK_TOKENS, watch=verdicts))
    return [(read_reward(row, verdicts), row) for row in rows]


def read_reward(row: Continuation, verdicts: Sequence[int]) -> float:
    """P(good) / (P(good) + P(bad)) where the verdict was written; no verdict is no reward."""
    for token, (good, bad) in zip(row.ids, row.watched, strict=True):
        if token in verdicts:
            return 1 / (1 + math.exp(min(bad - good, 700.0)))
    return NO_VERDICT
