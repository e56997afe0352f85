"""Stacks in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ChatRSD, ConfigurationError, Price, logistic, reward_threshold
from rsd_graph.answer.options import settable_in
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.stacks.calibrated import FORMAT
from rsd_graph.stacks.config import load_config, load_stack

STACK = """
[endpoints.small]
url = "vllm+http://gpu1:8000/v1#small"
timeout = 30
api_key_env = "SMALL_KEY"
parameters = 1.5e9

[stacks.math]
draft = "small"
target = "vllm+http://gpu2:8000/v1#big"
prm = "qwen-prm+vllm+http://gpu3:8000/v1#prm"
delta = 0.8
lookahead = "auto"
max_waste = 0.2
hedge = 0.5

[stacks.math.prices]
draft = 0.1
target = { input = 0.5, cached = 0.05, output = 1.5 }
prm = { input = 0.2, output = 0 }
"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SMALL_KEY", "s3cret")
    file = tmp_path / "rsd.toml"
    file.write_text(STACK, encoding="utf-8")
    return file


def test_a_stack_gives_the_arguments_of_the_chat_model(stack: Path) -> None:
    """Named endpoints become models with their own timeout and key; strings stay strings."""
    settings = load_stack(stack, "math")

    draft = settings.pop("draft")
    assert settings == {
        "target": "vllm+http://gpu2:8000/v1#big",
        "prm": "qwen-prm+vllm+http://gpu3:8000/v1#prm",
        "delta": 0.8,
        "lookahead": "auto",
        "max_waste": 0.2,
        "hedge": 0.5,
        "prices": {"draft": Price(0.1, 0.1), "target": Price(0.5, 1.5, 0.05), "prm": Price(0.2, 0)},
    }
    assert isinstance(draft, HostedModel)
    assert draft.endpoint.timeout == 30
    assert draft.endpoint.api_key is not None
    assert draft.endpoint.api_key.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(draft)


def test_the_only_stack_needs_no_name(stack: Path) -> None:
    """A file with one stack is used by naming the file."""
    assert load_stack(stack)["delta"] == 0.8


def test_the_environment_replaces_what_the_file_says(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file serves laptop and cluster."""
    monkeypatch.setenv("RSD_TARGET", "llamacpp+http://127.0.0.1:8080")
    monkeypatch.setenv("RSD_DELTA", "0.5")

    settings = load_stack(stack, "math")

    assert (settings["target"], settings["delta"]) == ("llamacpp+http://127.0.0.1:8080", 0.5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "delta = 0.8",
            "dleta = 0.8",
            "line 12: there is no option 'dleta' in stacks.math. Did you mean 'delta'?",
        ),
        (
            "delta = 0.8",
            'delta = "high"',
            "line 12: stacks.math.delta='high' cannot be used: it is neither a number nor a",
        ),
        (
            "delta = 0.8",
            'accept = "logistc(alpha=10)"',
            "line 12: stacks.math.accept='logistc(alpha=10)' cannot be used",
        ),
        (
            "delta = 0.8",
            'delta = 0.8\naccept = "clipping()"',
            "line 8: stacks.math cannot be used: delta and accept contradict each other",
        ),
        ("delta = 0.8", 'api_key = "sk-1"', "line 8: stacks.math cannot be used: a key never"),
        ("hedge = 0.5", "top_p = 1.5", "line 15: stacks.math.top_p=1.5 cannot be used"),
        ("timeout = 30", "timeout = -1", "line 4: endpoints.small.timeout=-1 cannot be used"),
        ("timeout = 30", "timout = 30", "line 4: there is no option 'timout' in endpoints.small"),
        ("[endpoints.small]", "[endpoint.small]", "'endpoint'. Did you mean 'endpoints'?"),
        ('draft = "small"', 'draft = "smal"', "which is not in the file."),
        ("[stacks.math]", "[stacks.math", "is not TOML"),
        ("draft = 0.1", 'draft = "cheap"', "line 18: stacks.math.prices.draft='cheap' cannot be"),
        ("draft = 0.1", "drfat = 0.1", "line 18: there is no option 'drfat' in stacks.math.prices"),
        ("output = 1.5", "outptu = 1.5", "line 19: stacks.math.prices.target.output is missing"),
        ("output = 1.5", "output = -1", "line 19: stacks.math.prices.target.output=-1 cannot be"),
        ("draft = 0.1\n", "", "line 17: stacks.math.prices.draft is missing"),
        ('prm = "qwen-prm+vllm+http://gpu3:8000/v1#prm"\n', "", "line 8: stacks.math.prm is miss"),
    ],
)
def test_mistakes_are_named(stack: Path, old: str, new: str, message: str) -> None:
    """A wrong setting is named by line and dotted path, with what is wrong with it."""
    stack.write_text(STACK.replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        load_stack(stack, "math")

    assert message in str(caught.value)


def test_an_unknown_stack_lists_the_known_ones(stack: Path) -> None:
    """A typo in the stack's name shows what there is."""
    with pytest.raises(ConfigurationError, match=r"no stack 'maths'\. Did you mean 'math'"):
        load_stack(stack, "maths")


def test_a_stack_can_say_every_option(tmp_path: Path) -> None:
    """Each option that may stand in a file does, and is passed on as it was said."""
    options: dict[str, Any] = {
        "delta": 0.6,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
        "max_tokens": 99,
        "max_step_tokens": 50,
        "max_steps": 9,
        "max_repeats": 3,
        "thinking": "target",
        "max_thinking_tokens": 60,
        "max_thinking_steps": 5,
        "min_step_tokens": 4,
        "answer_by": "target",
        "prm_sees": "answer",
        "prm_window": 8,
        "seed": 7,
        "step_separator": "\n",
        "on_prm_error": "target",
        "stop": ["Answer:"],
        "lookahead": 2,
        "max_waste": 0.2,
        "hedge": 0.5,
        "timeout": 9.0,
        "max_retries": 1,
    }
    file = tmp_path / "rsd.toml"
    models = "".join(f'{role} = "embedded:{role}"\n' for role in ("draft", "target", "prm"))
    said = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    numbers = "{ draft = 1, target = 2, prm = 3 }"
    file.write_text(f"[stacks.only]\n{models}{said}parameters = {numbers}\nprices = {numbers}\n")

    settings = load_stack(file)

    assert {name: settings[name] for name in options} == options
    assert {*options, "accept", "parameters", "prices"} == {*settable_in("file")}
    assert settings["parameters"] == {"draft": 1, "target": 2, "prm": 3}
    assert settings.keys() <= ChatRSD(**settings).said().keys()


def test_a_stack_names_its_criterion(stack: Path) -> None:
    """Any criterion by name, as in code."""
    text = STACK.replace("delta = 0.8", 'accept = "logistic(alpha=10, delta=0.6)"')
    stack.write_text(text, encoding="utf-8")

    llm = ChatRSD.from_config(stack)

    assert llm.criterion == logistic(10.0, 0.6)


def test_what_a_stack_says_holds_for_its_named_endpoints_too(stack: Path) -> None:
    """An endpoint's own timeout goes before the stack's; what it leaves open is the stack's."""
    stack.write_text(STACK.replace("delta = 0.8", "timeout = 9\nmax_retries = 0"), "utf-8")

    draft = load_stack(stack)["draft"]

    assert draft.endpoint.timeout == 30
    assert draft.endpoint.retry.attempts == 1


def test_an_endpoint_without_settings_stays_a_string(stack: Path) -> None:
    """So caches know it in every process."""
    text = STACK.replace('timeout = 30\napi_key_env = "SMALL_KEY"\n', "")
    stack.write_text(text, encoding="utf-8")

    assert load_stack(stack)["draft"] == "vllm+http://gpu1:8000/v1#small"


def test_a_missing_key_is_an_error_not_an_anonymous_request(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that names its key's variable is not called without it."""
    monkeypatch.delenv("SMALL_KEY")

    with pytest.raises(ConfigurationError, match="SMALL_KEY is not set"):
        load_stack(stack, "math")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """No traceback of ours for a wrong path."""
    with pytest.raises(ConfigurationError, match=r"rsd\.toml cannot be read: No such file"):
        load_config(tmp_path / "rsd.toml")


def test_the_chat_model_is_made_from_a_stack(stack: Path) -> None:
    """`from_config` takes what the stack says, and what the caller says instead."""
    llm = ChatRSD.from_config(stack, "math", max_tokens=99)

    assert (llm.delta, llm.lookahead, llm.max_tokens) == (0.8, "auto", 99)
    assert llm.target == "vllm+http://gpu2:8000/v1#big"
    assert llm.prices is not None
    assert llm.prices["target"].cached == 0.05


def test_a_calibrated_delta_is_read_for_its_own_prm_only(tmp_path: Path) -> None:
    """`delta` may name a calibration; with another PRM it is refused."""
    file = tmp_path / "calibrated.json"
    file.write_text('{"format": "rsd-graph calibration 1", "delta": 0.61, "prm": "embedded:prm"}')

    assert str(ChatRSD(delta=str(file)).criterion) == "reward_threshold(delta=0.61)"
    with pytest.raises(ConfigurationError, match="calibrated for another PRM"):
        ChatRSD(
            draft="embedded:draft",
            target="embedded:target",
            prm="qwen-prm+vllm+http://h:1/v1#other",
            delta=str(file),
        )


def test_a_stack_may_name_its_calibration(stack: Path) -> None:
    """The file is found from the stack's folder, and read by the chat model."""
    content = {"format": FORMAT, "delta": 0.83, "prm": "qwen-prm+vllm#prm"}
    (stack.parent / "calibrated.json").write_text(json.dumps(content), encoding="utf-8")
    text = stack.read_text(encoding="utf-8").replace("delta = 0.8", 'delta = "calibrated.json"')
    stack.write_text(text, encoding="utf-8")

    settings = load_stack(stack)

    assert str(ChatRSD(**settings).criterion) == str(reward_threshold(0.83))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('draft = "small"', 'draft = "smal"', "draft at {file}, line 9: 'smal' names an endpoint"),
        ("gpu2:8000/v1#big", "", "target at vllm+http:// in {file}, line 10: "),
        ("vllm+http://gpu1", "vlm+http://gpu1", "gpu1:8000/v1#small in {file}, line 3: unknown pr"),
        ("delta = 0.8", "delta = 7", "prm at {file}, line 12: delta=7.0 is outside"),
    ],
)
def test_what_only_the_model_finds_wrong_is_named_by_its_line_too(
    stack: Path, old: str, new: str, message: str
) -> None:
    """A name, an address, a delta of another scale; with the endpoint's line if that is wrong."""
    stack.write_text(STACK.replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        ChatRSD.from_config(stack)

    assert message.format(file=stack) in str(caught.value)


def test_what_the_file_did_not_say_is_not_blamed_on_it(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument and a variable of the environment go before the file, and are named alone."""
    with pytest.raises(ConfigurationError, match=r"^prm: delta=7\.0 is outside"):
        ChatRSD.from_config(stack, delta=7)
    monkeypatch.setenv("RSD_DELTA", "8")
    with pytest.raises(ConfigurationError, match=r"^prm: delta=8\.0 is outside"):
        ChatRSD.from_config(stack)


def test_a_byte_order_mark_is_no_mistake(stack: Path) -> None:
    """Notepad writes one, and lines that end in two characters."""
    stack.write_bytes(b"\xef\xbb\xbf" + STACK.replace("\n", "\r\n").encode())

    assert load_stack(stack)["delta"] == 0.8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe[\x00", ", line 1, is not UTF-8: the byte 0xff cannot stand there."),
        (
            b"# caf\xe9",
            "If it is text in WINDOWS-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8.",
        ),
        (b"a = " + b"[" * 9999, "a number is too long, or tables are nested too deeply."),
        (b"a = " + b"9" * 5000, "a number is too long, or tables are nested too deeply."),
    ],
    ids=["UTF-16", "Latin", "deep", "long"],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: bytes, message: str) -> None:
    """Whatever is in it, it is refused by name."""
    file = tmp_path / "rsd.toml"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        load_config(file)

    assert str(caught.value).startswith(str(file))
    assert message in str(caught.value)
