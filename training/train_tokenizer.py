"""Train the byte-level BPE tokenizer that all models share; those that think add six tokens.

The corpus is the task's vocabulary rather than sampled text: every word must become one token,
spelt the same in question and answer, and every digit must stay a token of its own, with or
without a space before it. Copying "33" from question to answer is then copying two tokens.

Text is split as Qwen2 splits it, because some loaders give every Qwen2 model that split, whatever
its ``tokenizer.json`` says. That split would part a digit from the space before it; added tokens,
which are found before any splitting, keep them together.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from rsd_graph.embedded import task
from training.chat import (
    BAD,
    CHECK,
    GOOD,
    PADDING,
    RECHECK,
    RIGHT,
    SEPARATOR,
    THINK,
    THOUGHT,
    TURN_END,
    TURN_START,
    WAIT,
    WRONG,
)
from training.rewording import ANSWER_TEMPLATES, PASSIVE, STEP_TEMPLATES

OPERATORS = "+-*/="
SPACED_DIGITS = tuple(f" {digit}" for digit in "0123456789")
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
ENOUGH_FOR_EVERY_WORD = 2000


def words() -> Iterator[str]:
    """Yield every piece that must be one token, with its leading space where it has one."""
    yield from ("user", "assistant", "system", "The", " answer", " is", " \\", "boxed", "How")
    yield from (" many", " has", *task.NAMES, *task.DAYS)
    for item in (*task.ITEMS, *sum(task.VERBS.values(), ())):
        yield f" {item}"
    yield from (f" {operator}" for operator in OPERATORS)
    for template in (*STEP_TEMPLATES, *ANSWER_TEMPLATES, *PASSIVE.values()):
        yield from re.findall(r" ?[A-Za-z]+", re.sub(r"\{\w+\}", "", template))
    yield from (f" {day}" for day in task.DAYS)


def train_tokenizer() -> Tokenizer:
    """Merge until every word of the task is one token; any other text falls back to bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=ENOUGH_FOR_EVERY_WORD,
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(set(words())), trainer)
    tokenizer.add_special_tokens([TURN_START, TURN_END, PADDING])
    add_plain(tokenizer, *SPACED_DIGITS, SEPARATOR, CHECK, GOOD, BAD)
    return tokenizer


def add_plain(tokenizer: Tokenizer, *texts: str) -> None:
    """Add tokens that are found in any text and kept in what a server returns."""
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in texts])


def extend_for_thinking(tokenizer: Tokenizer) -> None:
    """Add what the thinking models write; every other token keeps its number, and so its weights.

    The spaces after "Wait," and "Check:" are part of the tokens: the day that follows is then the
    very token it is at the start of a step.
    """
    add_plain(tokenizer, THINK, THOUGHT, WAIT, RECHECK, RIGHT, WRONG)


def main() -> None:
    """Write ``tokenizer.json`` into the run folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--thinking", action="store_true", help="add the thinking models' tokens")
    args = parser.parse_args()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer()
    if args.thinking:
        extend_for_thinking(tokenizer)
    tokenizer.save(str(out / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} tokens -> {out / 'tokenizer.json'}")


if __name__ == "__main__":
    main()
