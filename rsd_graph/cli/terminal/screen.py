"""How steps, answers and costs look in a terminal; in a pipe they are the same words, plain."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rsd_graph.answer.flops import PerRole
    from rsd_graph.answer.ledger import Ledger
    from rsd_graph.answer.prices import Prices
    from rsd_graph.answer.state import Step

_KEPT, _REJECTED, _REWRITTEN = "green", "red strike", "cyan"
_MARGIN = 24


class _Screen(Console):
    """A console whose reader may leave: that is an error like others, and unwinds what runs.

    Rich's own ends the program where it stands, inside of an event loop, too.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def screen(*, plain: bool = False) -> Console:
    """Standard output: in colour on a terminal, unless *plain* or `NO_COLOR` says otherwise."""
    colours: Literal["auto"] | None = None if plain or os.environ.get("NO_COLOR") else "auto"
    return _Screen(color_system=colours, highlight=False, markup=False, emoji=False, soft_wrap=True)


def show_step(console: Console, step: Step) -> None:
    """Who wrote it, the reward and the verdict: one line if accepted, two if rewritten.

    Thoughts are dim, and say that they are.
    """
    thought = step.get("phase") == "thinking"
    if step["rejected_text"] is None:
        _show(console, step["source"], step["reward"], "accepted", step["text"], _KEPT, thought)
        return
    _show(console, "draft", step["reward"], "rejected", step["rejected_text"], _REJECTED, thought)
    _show(console, "target", None, "rewritten", step["text"], _REWRITTEN, thought)


def _show(
    console: Console,
    who: str,
    reward: float | None,
    verdict: str,
    text: str,
    style: str,
    is_thought: bool,
) -> None:
    shown = "" if reward is None else f"{reward:.2f}"
    margin = f"{who:<7}{shown:>5} {verdict:<10} "
    lines = printable(text).split("\n")
    body = ("\n" + " " * _MARGIN).join(lines) if text.strip() else "(blank)"
    label, shade = ("thinking: ", "dim ") if is_thought else ("", "")
    console.print(Text(margin) + Text(label + body, shade + style))


def printable(text: str) -> str:
    """*text* without control characters: a model's words never steer the terminal."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)


def show_table(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; on a terminal too narrow for it, each row as a list of its cells."""
    from rsd_graph.lab.report.text import text_table

    table = text_table(headers, rows)
    if console.is_terminal and max(map(len, table.split("\n"))) > console.width:
        name, *others = headers
        table = "\n".join(_as_list(name, others, row) for row in rows)
    console.print(table)


def _as_list(name: str, headers: Sequence[str], row: Sequence[str]) -> str:
    first, *cells = row
    told = (f"  {header}: {cell}" for header, cell in zip(headers, cells, strict=True) if cell)
    return "\n".join([f"{name} {first}".strip(), *told])


def cost_line(
    steps: Sequence[Step],
    ledger: Ledger,
    parameters: PerRole | None,
    prices: Prices | None = None,
) -> str:
    """What an answer cost, on one line."""
    from rsd_graph.answer.ledger import acceptance_rate
    from rsd_graph.answer.thinking import thinking_tokens

    thought = thinking_tokens(steps)
    parts = [
        f"{len(steps)} steps, {acceptance_rate(ledger):.0%} of the drafts accepted",
        *spending(ledger, parameters, prices),
        *([_by_role("thinking in the answer", thought)] if any(thought.values()) else []),
        f"{sum(step['ms'] for step in steps):.0f} ms",
    ]
    return "; ".join(parts)


def spending(ledger: Ledger, parameters: PerRole | None, prices: Prices | None) -> list[str]:
    """Tokens by role; FLOPs and money where they are known."""
    from rsd_graph.answer.flops import flops
    from rsd_graph.answer.prices import costs

    money = costs(ledger, prices)
    written = {role: ledger[role]["completion_tokens"] for role in ("draft", "target", "prm")}
    return [
        _by_role("tokens written", written),
        *([amounts(flops(ledger, parameters))] if parameters else []),
        *([f"{_range(money, 'cost', '{:.3g}'.format)} at your prices"] if prices else []),
    ]


def _by_role(what: str, tokens: Mapping[str, int]) -> str:
    return f"{what}: {', '.join(f'{role} {count}' for role, count in tokens.items())}"


def amounts(spent: Mapping[str, float]) -> str:
    """Both accountings of `rsd_graph.answer.ledger.flops`."""
    return f"{_amount(spent['decode_only'])} decode-only, {_range(spent, 'full', _amount)} in full"


def _range(spent: Mapping[str, object], name: str, shown: Callable[[float], str]) -> str:
    """A number, or the two it lies between where a server does not say what it cached."""
    ends = [spent.get(key) for key in (f"{name}_if_cached", name)]
    return " to ".join(shown(end) for end in ends if isinstance(end, float | int))


def _amount(flops: float) -> str:
    from rsd_graph.lab.report.text import scaled

    return "{:.3g} {}FLOP".format(*scaled(flops))


def screen_rule(title: str) -> str:
    """A heading."""
    return f"\n--- {title} {'-' * max(3, 78 - len(title))}"
