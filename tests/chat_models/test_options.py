"""The options of `ChatRSD`: what cannot work is refused when the model is made, in plain words."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel, SecretStr, ValidationError

from rsd_graph import ChatRSD, ConfigurationError, ScriptedRewardModel, logistic
from rsd_graph.answer.options import Options
from tests.helpers.chat_support import functional, scripted

OURS = {role: f"vllm+http://gpu:8000/v1#{role}" for role in ("draft", "target", "prm")}
SHIPPED = {role: f"embedded:{role}" for role in OURS}
CALIBRATION = '{"format": "rsd-graph calibration 1", "delta": 0.61, "prm": "embedded:prm"}'


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"delta": 7}, "prm: delta=7.0 is outside the PRM's reward range [0.0, 1.0]."),
        ({**OURS, "delta": 7}, "prm: delta=7.0 is outside the PRM's reward range [0.0, 1.0]."),
        (
            {**OURS, "prm": "pure+vllm+http://h:1/v1", "delta": -2},
            "prm: delta=-2.0 is outside the PRM's reward range [-1.0, 1.0].",
        ),
        ({"accept": "logistic(alpha=10, delta=7)"}, "prm: delta=7.0 is outside"),
        ({"accept": logistic(10, 7)}, "prm: delta=7 is outside"),
        ({"delta": "nowhere.json"}, "nowhere.json cannot be read: No such file or directory."),
        ({"accept": "logistc(alpha=10)"}, "accept='logistc(alpha=10)' cannot be used"),
        ({**OURS, "draft": "nonsense"}, "draft at nonsense: this is not an endpoint string."),
        ({**OURS, "target": "vlm+http://h:1"}, "target at vlm+http://h:1: unknown provider 'vlm'"),
        (
            {**OURS, "prm": "qwen+vllm+http://h:1"},
            "prm at qwen+vllm+http://h:1: unknown PRM family 'qwen'",
        ),
        ({**OURS, "prm": "embedded:/nowhere.gguf"}, "embedded:/nowhere.gguf is not there"),
        ({**OURS, "draft": 3}, "draft: int has no write_step. Expected def write_step(self, "),
        ({"temperature": 9}, "temperature=9 cannot be used: input should be less than or equal"),
        ({"target": "a", "model": "b"}, "model and target are one option; say one."),
    ],
)
def test_what_cannot_work_is_refused_when_the_model_is_made(
    options: dict[str, Any], complaint: str
) -> None:
    """As a `ConfigurationError`, which is a `ValueError`, before any server is asked or started."""
    with pytest.raises(ConfigurationError) as caught:
        ChatRSD(**options)

    assert str(caught.value).startswith(complaint)
    assert isinstance(caught.value, ValueError)
    assert not isinstance(caught.value, ValidationError)


def test_all_that_is_wrong_is_one_error() -> None:
    """Nobody mends one option to be told of the next."""
    with pytest.raises(ConfigurationError) as caught:
        ChatRSD(temperature=9, hedge=2, stop="x")  # type: ignore[arg-type]

    assert str(caught.value) == (
        "temperature=9 cannot be used: input should be less than or equal to 2. "
        "stop='x' cannot be used: input should be a valid list. "
        "hedge=2 cannot be used: input should be less than or equal to 1."
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("base_url", "Name server and model in one string"),
        ("model_name", "Name server and model in one string"),
        ("max_completion_tokens", "Use max_tokens"),
        ("n", "A call gives one answer"),
        ("dleta", "Did you mean 'delta'?"),
        ("look_ahead", "Did you mean 'lookahead'?"),
    ],
)
def test_an_unknown_option_gets_a_hint(name: str, hint: str) -> None:
    """What other chat models have is named by what there is here; a typo by what is meant."""
    options: dict[str, Any] = {name: 1}

    for make in (lambda: ChatRSD(**options), lambda: functional().invoke("q", **options)):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert str(caught.value).startswith(f"there is no option {name!r}. {hint}")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ChatRSD.model_validate({"delta": 7}),
        lambda: ChatRSD().with_options({"delta": 7}),
        lambda: scripted([], []).invoke("q", delta=7),
        lambda: (
            ChatRSD()
            .configurable_fields(delta=ConfigurableField("d"))
            .invoke("q", {"configurable": {"d": 7}})
        ),
    ],
    ids=["model_validate", "with_options", "call", "configurable"],
)
def test_every_way_to_a_model_has_the_same_error(make: Any) -> None:
    """However it is made or changed."""
    with pytest.raises(ConfigurationError, match=r"prm: delta=7\.0 is outside the PRM's reward"):
        make()


def test_the_error_is_readable_in_a_model_of_pydantics() -> None:
    """Where pydantic has to report it, its message is in the report."""

    class Settings(BaseModel):
        llm: ChatRSD

    with pytest.raises(ValidationError, match=r"delta=7\.0 is outside the PRM's reward range"):
        Settings.model_validate({"llm": {"delta": 7}})


def test_an_object_says_its_range() -> None:
    """A PRM of your own is asked for it."""
    prm = ScriptedRewardModel([], reward_range=(-5.0, 5.0))

    llm = functional(prm=prm, delta=-3)

    assert llm.delta == -3


def test_the_target_may_be_called_model() -> None:
    """LangChain's word for the model that answers, at construction and per call."""
    named = {"draft": OURS["draft"], "prm": OURS["prm"], "model": "vllm+http://big:1/v1"}

    llm = ChatRSD(**named)

    assert llm.target == "vllm+http://big:1/v1"
    assert llm.with_options({"model": OURS["target"]}).target == OURS["target"]
    assert ChatRSD(stop_sequences=["x"]).stop == ["x"]  # type: ignore[call-arg]


def test_the_signature_shows_every_option() -> None:
    """What editors and `help` offer: the target by its name, and all that is declared."""
    offered = set(inspect.signature(ChatRSD).parameters)

    assert {"draft", "target", "prm", *Options.model_fields} <= offered
    assert "model" not in offered


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, "draft='embedded:draft', target='embedded:target', prm='embedded:prm', delta=0.7"),
        (
            {**OURS, "delta": 0.9, "seed": 3},
            "draft='vllm+http://gpu:8000/v1#draft', target='vllm+http://gpu:8000/v1#target', "
            "prm='vllm+http://gpu:8000/v1#prm', delta=0.9, seed=3",
        ),
        (
            {"accept": "clipping()", "hedge": 0.5},
            "draft='embedded:draft', target='embedded:target', prm='embedded:prm', "
            "accept='clipping()', hedge=0.5",
        ),
    ],
)
def test_it_shows_its_models_and_what_is_not_as_usual(options: dict[str, Any], shown: str) -> None:
    """The rule in force always; other options where they differ from the default."""
    assert repr(ChatRSD(**options)) == f"ChatRSD({shown})"


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)
def test_a_calibration_travels_with_the_model_by_name(duplicate: Any, tmp_path: Path) -> None:
    """A process that unpickles it needs the file only where it answers, and reads it there."""
    file = tmp_path / "calibrated.json"
    file.write_text(CALIBRATION)

    other = duplicate(ChatRSD(delta=str(file), api_key=SecretStr("k")))

    assert str(other.criterion) == "reward_threshold(delta=0.61)"
    file.unlink()
    assert str(other.criterion) == "reward_threshold(delta=0.61)"
    with pytest.raises(ConfigurationError, match=r"calibrated\.json cannot be read"):
        duplicate(other).criterion  # noqa: B018


def test_nothing_is_served_until_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checking an embedded model starts no process."""
    monkeypatch.setattr("subprocess.Popen", None)

    assert ChatRSD(**SHIPPED).with_options({"delta": 0.8}).delta == 0.8
