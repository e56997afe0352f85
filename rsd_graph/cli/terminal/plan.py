"""How a plan looks in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rsd_graph.cli.terminal.screen import screen, screen_rule, show_table

_NONE = "-"


def show_plan(found: Mapping[str, Any]) -> None:
    """The verdict first, what it rests on, and the commands to copy last."""
    console = screen()
    alone, gpus = found["target_alone"], found["gpus"]
    console.print(f"RSD {found['verdict']} on {gpus['count']} x {gpus['kind']}: {_ratio(found)}")
    console.print(f"({found['model']}; ranges are over what is assumed, see --json)")
    if found["overrun"]:
        console.print(f"under {found['overrun']} of the assumptions tried RSD cannot keep up")
    console.print(screen_rule("expected"))
    show_table(console, ["", "RSD", "target alone"], _expectations(found, alone))
    console.print(screen_rule("PRMs, and how they may be served"))
    show_table(console, ["PRM", "judged by", "answers/s", "s", "GPUs"], _options(found))
    ahead = "drafts ahead" if found["drafts_ahead"] else "drafts nothing ahead under this load"
    console.print(f"look-ahead: --lookahead auto, which {ahead}")
    console.print(screen_rule("servers"))
    for line in _commands(found):
        console.print(line)


def _ratio(found: Mapping[str, Any]) -> str:
    if found["ratio"] is None:
        return "the target alone cannot keep up"
    more = "the throughput" if found["ratio_of"] == "throughput" else "as fast as"
    return f"{_range(found['ratio'])} times {more} of the target alone".replace(
        "as fast as of", "as fast as"
    )


def _expectations(found: Mapping[str, Any], alone: Mapping[str, Any]) -> list[list[str]]:
    rows = [
        ["answers/s", _range(found["per_second"]), _short(alone["per_second"])],
        ["seconds an answer", _range(found["seconds"]), _short(alone["seconds"])],
        ["GPUs", _division(found), _servers("target", alone["layout"])],
    ]
    if found["money_per_1000"]:
        money = _range(found["money_per_1000"]), _range(alone["money_per_1000"])
        rows.insert(2, ["money for 1,000 answers", *money])
    return rows


def _options(found: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            option["prm"],
            option["pooling"],
            _short(option["expected"]["per_second"]),
            _short(option["expected"]["seconds"]),
            _division(option),
        ]
        for option in found["options"]
    ]


def _division(option: Mapping[str, Any]) -> str:
    parts = [_servers(role, served) for role, served in option["layout"].items()]
    shared = f" ({', '.join(option['shared'])} on the same)" if option["shared"] else ""
    return ", ".join(parts) + shared


def _servers(role: str, served: Mapping[str, int]) -> str:
    return f"{role} {served['servers']}x{served['gpus_each']}"


def _commands(found: Mapping[str, Any]) -> list[str]:
    lines = [found["before"]] if found["before"] else []
    lines += [server["command"] for server in found["servers"]]
    lines += [f"{server['role']} = {server['endpoint']}" for server in found["servers"]]
    if len(found["servers"]) > len(found["models"]):
        lines.append("every request of an answer must go to the same server of a model")
    return lines


def _range(found: Mapping[str, float] | None) -> str:
    if found is None:
        return _NONE
    return f"{_short(found['value'])} [{_short(found['low'])}, {_short(found['high'])}]"


def _short(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3g}"
