"""Who sets what: an argument before the environment, before a file, before the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from rsd_graph import ChatRSD, ConfigurationError, constant
from rsd_graph.answer.options import settable_in
from rsd_graph.stacks.settings import from_environment, over

OURS = {role: f"vllm+http://gpu:8000/v1#{role}" for role in ("draft", "target", "prm")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A stack that says a delta, a temperature and a seed."""
    path = tmp_path / "rsd.toml"
    models = "".join(f'{role} = "{spec}"\n' for role, spec in OURS.items())
    path.write_text(f"[stacks.only]\n{models}delta = 0.1\ntemperature = 0.2\nseed = 3\n")
    return path


def test_the_environment_speaks_to_the_chat_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models and options, with no file anywhere."""
    for role, spec in OURS.items():
        monkeypatch.setenv(f"RSD_{role.upper()}", spec)
    monkeypatch.setenv("RSD_ACCEPT", "constant(p=0.5)")
    monkeypatch.setenv("RSD_MAX_TOKENS", "99")

    llm = ChatRSD()

    assert {role: getattr(llm, role) for role in OURS} == OURS
    assert (llm.accept, llm.max_tokens) == ("constant(p=0.5)", 99)


@pytest.mark.parametrize("name", settable_in("flag"))
def test_every_option_that_is_a_flag_is_a_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`RSD_` and its name."""
    words = {"accept": "clipping()", "prm_sees": "answer"}
    words |= dict.fromkeys(("on_prm_error", "thinking", "answer_by"), "target")
    text = words.get(name, "1")
    monkeypatch.setenv(f"RSD_{name.upper()}", text)

    assert str(from_environment()[name]).removesuffix(".0") == text


def test_an_argument_goes_before_the_environment_before_a_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file serves laptop and cluster, and one call differs from both."""
    monkeypatch.setenv("RSD_TEMPERATURE", "0.4")
    monkeypatch.setenv("RSD_SEED", "4")

    llm = ChatRSD.from_config(file, seed=5)

    assert (llm.delta, llm.temperature, llm.seed, llm.top_p) == (0.1, 0.4, 5, 1.0)


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files leave them."""
    monkeypatch.setenv("RSD_DELTA", "")

    assert ChatRSD().delta == 0.7


def test_a_variable_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own name."""
    monkeypatch.setenv("RSD_TOP_P", "many")

    with pytest.raises(ConfigurationError, match="RSD_TOP_P in the environment: top_p='many' cann"):
        ChatRSD()


def test_calls_and_copies_do_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is what it was when it was made."""
    llm = ChatRSD()
    monkeypatch.setenv("RSD_DELTA", "0.2")

    assert llm.with_options({"seed": 1}).delta == 0.7


def test_delta_and_accept_replace_each_other() -> None:
    """Whoever speaks later names the rule; the earlier rule is gone."""
    assert over({"delta": 0.8, "seed": 1}, {"accept": "clipping()"}) == {
        "accept": "clipping()",
        "seed": 1,
    }
    assert over({"accept": "clipping()"}, {"delta": 0.8}) == {"delta": 0.8}
    assert over({"delta": 0.8}, {"accept": None}) == {"delta": 0.8, "accept": None}


@pytest.mark.parametrize("variable", [("RSD_DELTA", "0.2"), ("RSD_ACCEPT", "clipping()")])
def test_an_argument_replaces_the_rule_of_the_environment(
    variable: tuple[str, str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone and over a file."""
    monkeypatch.setenv(*variable)
    accept = constant(0.5)

    for llm in (ChatRSD(accept=accept), ChatRSD.from_config(file, accept=accept)):
        assert llm.criterion is accept


def test_two_rules_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could know which holds; not even where delta is the usual one."""
    with pytest.raises(ConfigurationError, match="delta and accept contradict each other"):
        ChatRSD(delta=0.7, accept=constant(0.5))
    monkeypatch.setenv("RSD_DELTA", "0.5")
    monkeypatch.setenv("RSD_ACCEPT", "clipping()")
    with pytest.raises(ConfigurationError, match="delta and accept contradict each other"):
        ChatRSD()


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        (["draft"], "half a stack: draft named, target and prm not."),
        (["target", "prm"], "half a stack: target and prm named, draft not."),
    ],
)
def test_half_a_stack_is_refused(
    named: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Your models never work beside shipped ones that you did not ask for."""
    with pytest.raises(ConfigurationError) as caught:
        ChatRSD(**{role: OURS[role] for role in named})
    for role in named:
        monkeypatch.setenv(f"RSD_{role.upper()}", OURS[role])
    with pytest.raises(ConfigurationError, match="half a stack"):
        ChatRSD()

    assert str(caught.value).startswith(complaint)
    assert "draft='embedded:draft'" in str(caught.value) or "draft" in named


def test_arguments_and_environment_may_make_a_stack_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What counts is that each model is named by somebody."""
    monkeypatch.setenv("RSD_PRM", OURS["prm"])

    llm = ChatRSD(draft=OURS["draft"], target="embedded:target")

    assert (llm.prm, llm.target) == (OURS["prm"], "embedded:target")


def test_half_a_stack_is_refused_per_call_too() -> None:
    """A target of one call beside shipped models that nobody named."""
    with pytest.raises(ConfigurationError, match="half a stack"):
        ChatRSD().invoke("q", model=OURS["target"])
