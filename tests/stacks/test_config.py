"""Stacks in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rsd_graph import ChatRSD, ConfigurationError, Price, reward_threshold
from rsd_graph.providers.wires.completion import HostedModel
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
    for name in ("RSD_DRAFT", "RSD_TARGET", "RSD_PRM", "RSD_DELTA"):
        monkeypatch.delenv(name, raising=False)
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
        ("delta = 0.8", "dleta = 0.8", "stacks.math.dleta: extra inputs are not permitted"),
        ("delta = 0.8", 'delta = "high"', "stacks.math.delta.float: input should be a valid"),
        ("timeout = 30", "timeout = -1", "endpoints.small.timeout: input should be greater than 0"),
        ('draft = "small"', 'draft = "tiny"', "draft names the endpoint 'tiny', which is not in"),
        ("[stacks.math]", "[stacks.math", "is not TOML"),
        ("draft = 0.1", 'draft = "cheap"', "math.prices.draft: a price is a number, or a table"),
        ("output = 1.5", "outptu = 1.5", "math.prices.target.output: field required"),
        ("output = 1.5", "output = -1", "prices.target.output: input should be greater than or"),
        ("draft = 0.1\n", "", "stacks.math.prices.draft: field required"),
    ],
)
def test_mistakes_are_named(stack: Path, old: str, new: str, message: str) -> None:
    """A wrong setting is named by its dotted path, with what is wrong with it."""
    stack.write_text(STACK.replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        load_stack(stack, "math")

    assert message in str(caught.value)


def test_an_unknown_stack_lists_the_known_ones(stack: Path) -> None:
    """A typo in the stack's name shows what there is."""
    with pytest.raises(ConfigurationError, match=r"no stack 'maths'\. Expected one of math"):
        load_stack(stack, "maths")


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
        ChatRSD(delta=str(file), prm="qwen-prm+vllm+http://h:1/v1#other").criterion  # noqa: B018


def test_a_stack_may_name_its_calibration(stack: Path) -> None:
    """The file is found from the stack's folder, and read by the chat model."""
    content = {"format": FORMAT, "delta": 0.83, "prm": "qwen-prm+vllm#prm"}
    (stack.parent / "calibrated.json").write_text(json.dumps(content), encoding="utf-8")
    text = stack.read_text(encoding="utf-8").replace("delta = 0.8", 'delta = "calibrated.json"')
    stack.write_text(text, encoding="utf-8")

    settings = load_stack(stack)

    assert str(ChatRSD(**settings).criterion) == str(reward_threshold(0.83))
