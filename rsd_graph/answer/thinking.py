"""Thinking: how a model marks it, and what of its text is it. Pure, no I/O.

A model that thinks writes between two markers, such as `<think>` and `</think>`, before it answers.
Here every step belongs to one *phase*, thinking or answer, and none spans the border. Markers are
never part of a step: draft and target exchange plain text, and each reads it in its own markers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsd_graph.acceptance import Criterion, check_criterion
from rsd_graph.answer.options import AnswerBy, PRMSees, WhoThinks, check_fields
from rsd_graph.answer.state import Candidate, Phase, Step
from rsd_graph.answer.steps import join_steps, phase_of
from rsd_graph.errors import ConfigurationError

_OPENS = r"<[\w:|-]*(?:think|thought|reason)[\w:|-]*>|\[THINK\]"
_CLOSES = r"</[\w:|-]*(?:think|thought|reason)[\w:|-]*>|\[/THINK\]"
_TAIL = re.compile(
    rf"(?:(?P<open>{_OPENS})(?P<inside>\s*))?(?:(?P<close>{_CLOSES})(?P<after>\s*))?\Z"
)

OPENING_MARKERS = ("<think>", "<seed:think>", "[THINK]")
"""What is looked for where a template shows no marker before the answer."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Who thinks, who answers, and what the PRM is shown of it.

    Attributes:
        thinking: Who thinks before the answer; `None`: nobody is known to.
        answer_by: Who writes the answer after the thinking.
        prm_sees: The phase that the PRM is shown and judges.
        prm_window: How many of the last steps the PRM is shown; see `shown_to_prm`.
    """

    thinking: WhoThinks | None = None
    answer_by: AnswerBy = "rsd"
    prm_sees: PRMSees = "both"
    prm_window: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is none of the options, and what would have no effect."""
        check_fields(self)
        self.check_used("answer_by", self.answer_by != "rsd")
        self.check_used("prm_sees", self.prm_sees != "both")

    def check_used(self, option: str, is_said: bool) -> None:
        """Refuse an *option* of thinking where nobody is known to think.

        Raises:
            ConfigurationError: It *is_said* all the same.
        """
        if is_said and self.thinking is None:
            raise ConfigurationError(
                f"{option} is said, and thinking is not.",
                expected="thinking='on', 'draft', 'target' or 'off' with it",
                hint=f"Say who thinks, or take {option} away.",
            )

    @property
    def are_told_apart(self) -> bool:
        """Whether steps belong to phases at all."""
        return self.thinking not in (None, "off")

    def is_off_for(self, role: str) -> bool:
        """Whether the model of this *role* is kept from thinking."""
        return self.thinking not in (None, "on", role)

    def writes_alone(self, role: str, phase: Phase | None) -> bool:
        """Whether the model of this *role* alone writes the steps of *phase*."""
        return phase == "answer" and self.answer_by == role


@dataclass(frozen=True, slots=True)
class ThinkingFormat:
    """How one model marks its thinking.

    Attributes:
        open: What stands before it, with the space that belongs to it.
        close: What stands between it and the answer, likewise.
        tail: What the template itself writes of these at the end of its prompt.
    """

    open: str = "<think>\n"
    close: str = "\n</think>\n\n"
    tail: str = ""

    @property
    def markers(self) -> tuple[str, str]:
        """The bare markers."""
        return self.open.strip(), self.close.strip()

    def prompt(self, rendered: str, thinking: str, answer: str | None = None) -> str:
        """The prompt that the template *rendered*, and what was thought and answered after it.

        Without an *answer*, not even an empty one, the thinking goes on. Where nothing was thought
        and the template has closed it already, what it says stays as it is.
        """
        if answer is not None and not thinking and self.markers[1] in self.tail:
            return rendered + answer
        begun = rendered.removesuffix(self.tail) + self.open
        return begun + (thinking if answer is None else thinking.rstrip() + self.close + answer)

    def plain(self, text: str) -> str:
        """*text* without markers: what is left of those that came twice, or too late."""
        for marker in self.markers:
            text = text.replace(marker, "")
        return text


def by_phase(
    accept: Criterion | Mapping[Phase, Criterion],
    phases: Phases,
    reward_range: tuple[float, float],
) -> Mapping[Phase, Criterion]:
    """The criterion for each phase, checked against the range of rewards.

    Raises:
        ConfigurationError: There are two and nobody is known to think; or see `check_criterion`.
    """
    phases.check_used("accept for each phase", isinstance(accept, Mapping))
    criteria: Mapping[Phase, Criterion] = (
        accept if isinstance(accept, Mapping) else {"thinking": accept, "answer": accept}
    )
    for criterion in criteria.values():
        check_criterion(criterion, reward_range)
    return criteria


def closing(marker: str) -> str:
    """What closes what *marker* opens: `</think>` for `<think>`."""
    return f"{marker[:1]}/{marker[1:]}"


def format_of(opening: str, rendered: str = "") -> ThinkingFormat:
    """The format of a model with this *opening* marker, with the tail of what was *rendered*."""
    found = format_in(rendered)
    if found is not None and found.markers[0] == opening:
        return found
    return ThinkingFormat(f"{opening}\n", f"\n{closing(opening)}\n\n")


def format_in(rendered: str) -> ThinkingFormat | None:
    """The format that shows at the end of a *rendered* prompt; `None` if none does.

    A template may open the thinking, open and close it at once, which switches it off, or only
    close it.
    """
    found = _TAIL.search(rendered)
    if found is None or not found[0]:
        return None
    tail, inside, after = found[0], found["inside"] or "", found["after"] or ""
    opening = found["open"] or found["close"].replace("/", "", 1)
    if found["close"] is None:
        before, after = (inside, inside * 2)
    else:
        before, inside = inside[: len(inside) // 2], inside[len(inside) // 2 :]
    return ThinkingFormat(opening + before, inside + closing(opening) + after, tail)


def format_around(thought: str, said: str, shown: str) -> ThinkingFormat | None:
    """The format of a template that has *shown* a turn in which this was thought and this *said*.

    `None` if there are no markers around the thought.
    """
    opened, _, rest = shown.partition(thought)
    closed, found, _ = rest.partition(said)
    if not found or not closed.strip() or closing(opened.strip()) != closed.strip():
        return None
    return ThinkingFormat(opened, closed)


def thought_in(text: str) -> tuple[str, str]:
    """What is thought and what is answered in a whole *text*; without a marker all is answer."""
    for opening in OPENING_MARKERS:
        thought, marker, answer = text.partition(closing(opening))
        if marker:
            return thought.strip().removeprefix(opening).strip(), answer.strip()
    return "", text


def cut_partial(text: str, marker: str) -> str:
    """*text* without the beginning of *marker* that it breaks off in."""
    lengths = range(len(marker) - 1, 0, -1)
    return next((text[:-n] for n in lengths if text.endswith(marker[:n])), text)


def is_in_block(text: str) -> bool:
    """Whether *text* breaks off inside a code fence or display maths, where no step ends."""
    fences = re.findall(r"^ {0,3}(?:```|~~~)", text, re.MULTILINE)
    maths = text.count("$$")
    return len(fences) % 2 == 1 or maths % 2 == 1 or text.rfind(r"\[") > text.rfind(r"\]")


def text_of(steps: Sequence[Step | Candidate], phase: Phase, separator: str) -> str:
    """The joined text of the steps of one *phase*."""
    return join_steps([step for step in steps if phase_of(step) == phase], separator)


def thinking_tokens(steps: Sequence[Step]) -> dict[str, int]:
    """How many tokens of these settled *steps* are thinking, by who wrote them."""
    tokens = {"draft": 0, "target": 0}
    for step in steps:
        if phase_of(step) == "thinking":
            tokens[step["source"]] += step["tokens"]
    return tokens


def in_phase(candidate: Candidate, phase: Phase | None) -> Candidate:
    """*candidate* in the phase it was asked for, unless it says its own.

    A model that ends while it thinks has closed its thinking.
    """
    if phase is None:
        return candidate
    placed: Candidate = {"phase": phase, **candidate}
    if phase_of(placed) == "thinking" and placed["ended"] == "eos":
        placed["ended"] = "closed"
    return placed


def shown_to_prm(
    steps: Sequence[Step | Candidate], window: int | None
) -> Sequence[Step | Candidate]:
    """The last of *steps*: at least *window*, less than twice as many.

    Cut in jumps of *window* steps: between two of them a PRM's prompt only grows, so that its
    server finds it in the prefix cache.
    """
    if window is None or len(steps) < 2 * window:
        return steps
    return steps[(len(steps) // window - 1) * window :]
