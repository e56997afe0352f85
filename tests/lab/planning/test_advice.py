"""What `rsd-graph plan` advises, and what it refuses."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rsd_graph import ConfigurationError
from rsd_graph.lab.latency.hardware import GPUS, kv_tokens
from rsd_graph.lab.planning.advice import Advice, advise
from rsd_graph.lab.planning.layouts import Room, layouts
from rsd_graph.lab.planning.models import PRMS, gpu_of, model_of
from rsd_graph.lab.planning.question import Question, answers_of, traffic_of
from rsd_graph.lab.planning.report import as_data
from rsd_graph.lab.planning.servers import servers

ROOM = Room(in_flight=16, tokens=516)


def advice(draft: str, target: str, count: int, in_flight: float, rejected: float) -> Advice:
    """For so many A100s, with the last-token PRM of 1.5B."""
    workload, share = answers_of(None, rejected=rejected)
    traffic = traffic_of(in_flight, None)
    models = model_of(draft), model_of(target), [model_of(PRMS[1])]
    return advise(Question(*models, GPUS["a100"], count, traffic, workload, share, gpu_hour=2.0))


@pytest.fixture(scope="module")
def large() -> Advice:
    """One answer at a time of 72B, hardly anything rejected."""
    return advice("7B", "72B", 6, 1, rejected=0.05)


def test_it_pays_for_one_answer_of_a_large_target(large: Advice) -> None:
    """Faster under everything assumed; and money is GPU hours."""
    assert large.verdict == "pays"
    assert large.ratio is not None
    assert 1 < large.ratio.low <= large.ratio.value <= large.ratio.high
    assert large.money is not None
    assert large.money.value == pytest.approx(6 * 2.0 * large.seconds.value * 1000 / 3600)


def test_it_does_not_pay_where_the_target_is_small_and_much_is_rejected() -> None:
    """3B for 7B, 40 % rejected, 64 at once."""
    assert advice("3B", "7B", 2, 64, rejected=0.4).verdict == "does not pay"


def test_every_layout_uses_no_gpu_twice_and_no_more_than_there_are() -> None:
    """But those that models share, and then by all of their servers alike."""
    models = {"draft": model_of("1.5B"), "target": model_of("7B"), "prm": model_of(PRMS[1])}
    for layout in layouts(models, GPUS["a100"], 4, ROOM):
        started = servers(layout, GPUS["a100"], 516)
        users = Counter(
            gpu for server in started if server.role not in layout.shared for gpu in server.gpus
        )
        shared = {gpu for server in started if server.role in layout.shared for gpu in server.gpus}

        assert max(users.values(), default=1) == 1
        assert not shared & users.keys()
        assert {*users, *shared} <= {*range(layout.gpus)}
        assert layout.gpus <= 4


def test_servers_that_share_a_gpu_share_its_memory() -> None:
    """Draft and PRM on one A100: weights, activations, as many KV tokens; below 90 % in all."""
    draft, prm = model_of("1.5B"), model_of(PRMS[1])
    models = {"draft": draft, "target": model_of("7B"), "prm": prm}
    layout = next(one for one in layouts(models, GPUS["a100"], 2, ROOM) if len(one.shared) == 2)

    started = servers(layout, GPUS["a100"], 516)

    assert (
        layout.draft.kv_tokens == layout.prm.kv_tokens == kv_tokens([draft, prm], GPUS["a100"], 1)
    )
    assert [server.gpus for server in started] == [(0,), (1,), (0,)]
    shares = [server.command.split("--gpu-memory-utilization ")[1][:4] for server in started]
    assert shares == ["0.44", "0.9 ", "0.44"]


def test_the_commands_say_who_is_served_where(large: Advice) -> None:
    """A target over four GPUs; the PRM's checkpoint divided first, so that its cache is read."""
    found = as_data(large)

    target = next(server for server in found["servers"] if server["role"] == "target")
    prm = next(server for server in found["servers"] if server["role"] == "prm")
    assert "--tensor-parallel-size 4" in target["command"]
    assert "vllm serve Qwen/Qwen2.5-72B-Instruct --port" in target["command"]
    assert found["before"] == f"rsd-graph split-prm {PRMS[1]} PRM-split"
    assert "vllm serve PRM-split" in prm["command"]
    assert prm["endpoint"].startswith("skywork+vllm+http://HOST:")


def test_models_that_do_not_fit_are_named_with_what_would_do() -> None:
    """72B on two A100s has no room for its weights."""
    with pytest.raises(
        ConfigurationError, match=r"72B-Instruct.* do not fit on 2 x A100"
    ) as caught:
        advice("1.5B", "72B", 2, 1, rejected=0.1)

    assert "152 GB of weights" in str(caught.value)
    assert "more or larger GPUs" in str(caught.value)


def test_a_prm_that_does_not_fit_is_left_out() -> None:
    """One of 72B beside one of 1.5B, on two A100s."""
    workload, share = answers_of(None, rejected=0.1)
    prms = [model_of("72B"), model_of(PRMS[1])]
    models = model_of("0.5B"), model_of("7B"), prms

    found = advise(Question(*models, GPUS["a100"], 2, traffic_of(1, None), workload, share))

    assert {option.prm for option in found.options} == {PRMS[1]}


@pytest.mark.parametrize(
    ("name", "named"), [("7b", 7.61), ("Qwen/Qwen2.5-Math-7B-Instruct", 7.61), ("PRM-7B", None)]
)
def test_models_are_known_by_size_or_name(name: str, named: float | None) -> None:
    """An unknown one is refused, with what may have been meant."""
    if named is None:
        with pytest.raises(ConfigurationError, match="no model 'PRM-7B'"):
            model_of(name)
        return
    assert model_of(name).parameters == named


def test_a_config_is_read_for_a_model_of_ones_own(tmp_path: Path) -> None:
    """The 7B of Qwen2.5 from its config.json: what its model card says."""
    config = {
        "hidden_size": 3584,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "intermediate_size": 18944,
        "vocab_size": 152064,
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")

    found, known = model_of(str(tmp_path)), model_of("7B")

    assert found.name == str(tmp_path)
    assert found.parameters == pytest.approx(known.parameters, rel=0.01)
    assert found.computed == pytest.approx(known.computed, rel=0.01)
    assert (found.layers, found.heads, found.kv_bytes) == (28, 28, known.kv_bytes)


@pytest.mark.parametrize("extra", [{"num_experts": 8}, {"quantization_config": {"bits": 4}}])
def test_what_is_not_modelled_is_refused(extra: dict[str, object], tmp_path: Path) -> None:
    """Experts and quantized weights would come out wrong."""
    (tmp_path / "config.json").write_text(json.dumps(extra), encoding="utf-8")

    with pytest.raises(ConfigurationError, match="which is not modelled"):
        model_of(str(tmp_path / "config.json"))


def test_an_unknown_gpu_is_refused() -> None:
    """With what there is."""
    with pytest.raises(ConfigurationError, match="no GPU 'a10'") as caught:
        gpu_of("a10")

    assert "a100, h100, h200, l40s" in str(caught.value)


@pytest.mark.parametrize(("in_flight", "per_second"), [(None, None), (4, 2), (0, None)])
def test_traffic_is_stated_once(in_flight: float | None, per_second: float | None) -> None:
    """Neither, both or nothing is no question."""
    with pytest.raises(ConfigurationError, match="how much there is to answer"):
        traffic_of(in_flight, per_second)


def test_the_share_of_rejected_steps_is_never_guessed() -> None:
    """It decides everything; whoever does not know it is told how to measure it."""
    with pytest.raises(ConfigurationError, match="rsd-graph calibrate"):
        answers_of(None, steps=10)
