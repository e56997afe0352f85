"""What the models that think did on held-out problems, into their card.

    python -m benchmarks.thinking_card --journals DIR   # after benchmarks.thinking, of the same DIR

Nothing is asked again: the answers are those of `results/thinking.md`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.arms import DELTA, digests
from benchmarks.thinking import TEMPERATURE
from benchmarks.thinking_tables import RSD, TARGET, ledgers_of, mean_flops
from rsd_graph.embedded.card import read_card
from rsd_graph.embedded.engine import MODELS, THINKING
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.journal import Journal, Record
from rsd_graph.lab.statistics import wilson_interval

CARD = MODELS / "thinking-card.json"
ROWS = {"draft": ("draft", "draft alone"), "target": ("target", TARGET), "prm": ("rsd", RSD)}
"""Role -> the name of its row in the card, and its arm."""


def row(records: Sequence[Record]) -> dict[str, object]:
    """What an arm did, in the words of the other card."""
    ledgers = ledgers_of(records)
    right = wilson_interval(sum(bool(record.get("correct")) for record in records), len(records))
    kept = sum(ledger["accepted_steps"] for ledger in ledgers)
    drafted = sum(ledger["drafted_steps"] for ledger in ledgers)
    sizes = read_card("thinking-").parameters
    return {
        "accuracy": round(100 * right.value, 1),
        "interval_95": [round(100 * right.low, 1), round(100 * right.high, 1)],
        "decode_mflop": round(mean_flops(records, sizes, "decode_only") / 1e6, 2),
        "full_mflop": round(mean_flops(records, sizes, "full") / 1e6, 2),
        "drafted_steps_kept": round(kept / drafted, 3) if drafted else None,
        "generated_tokens": {
            role: round(fmean(ledger[role]["completion_tokens"] for ledger in ledgers), 1)
            for role in ("draft", "target", "prm")
        },
    }


def answers(folder: Path) -> Journal:
    """The answers of the models that are shipped.

    Raises:
        ConfigurationError: They are of other models.
    """
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    path = folder / "answers.jsonl"
    if not path.is_file():
        raise ConfigurationError(f"{path} is not there: run benchmarks.thinking first.")
    return Journal(path, {"models": digests(THINKING), **plan})


def main() -> None:
    """Fill the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journals", type=Path, required=True, help="folder of the answers")
    options = parser.parse_args()
    card = json.loads(CARD.read_text(encoding="utf-8"))
    with answers(options.journals / "thinking") as book:
        for role, (name, arm) in ROWS.items():
            records = [record for record in book.answers if record["arm"] == arm]
            card[role]["held_out_results"] = {name: row(records)}
    card["conditions"] = {
        "problems": len(records),
        "seed": 0,
        "delta": DELTA,
        "temperature": TEMPERATURE,
        "measured_by": "python -m benchmarks.thinking",
    }
    CARD.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
