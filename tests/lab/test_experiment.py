"""From what was asked for to the setups of the arms, and to a journal's first line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rsd_graph import ConfigurationError, Limits, Sampling, __version__
from rsd_graph.lab.experiment import Experiment
from rsd_graph.lab.journal import config_hash
from rsd_graph.stacks.calibrated import FORMAT

MINE = {
    "draft": "vllm+http://a:1/v1#small",
    "target": "vllm+http://b:1/v1#big",
    "prm": "qwen-prm+vllm+http://c:1/v1#prm",
}


def test_the_first_line_of_a_journal_is_what_it_was() -> None:
    """Journals of earlier runs are resumed: the hash of the same settings has not changed."""
    shipped = Experiment(dataset="candies")

    assert shipped.identity == {
        "dataset": "candies",
        "temperature": 0.0,
        "delta": 0.7,
        "draft": "embedded:draft",
        "target": "embedded:target",
        "prm": "embedded:prm",
        "system": None,
        "seed": 0,
        "version": __version__,
    }
    assert config_hash({**shipped.identity, "version": "0.1.0"}) == "1c7c6bc4ee4a"


def test_what_does_not_decide_an_answer_is_not_part_of_its_identity() -> None:
    """Prices, sizes, timeouts and keys may change between runs of one journal."""
    plain = Experiment({**MINE, "delta": 0.5})
    sizes = {"draft": 1, "target": 2, "prm": 3}
    more = Experiment(
        {**MINE, "delta": 0.5, "timeout": 9, "api_key": "s3cret", "parameters": sizes}
    )

    assert plain.identity == more.identity
    assert "s3cret" not in json.dumps(more.identity)


def test_a_setup_holds_the_options_that_were_given() -> None:
    """Sampling and limits are the stack's, whoever answers."""
    given = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 99, "max_steps": 3, "lookahead": 2}

    setup = Experiment({**MINE, **given}, system="Be brief.").setup()

    assert setup.sampling == Sampling(temperature=0.5, top_p=0.9)
    assert setup.limits == Limits(max_tokens=99, max_steps=3)
    assert setup.options.lookahead == 2
    assert [turn["role"] for turn in setup.conversation("q")] == ["system", "user"]


def test_the_shipped_models_have_limits_of_their_own_unless_others_are_given() -> None:
    """Nothing that is said is ignored."""
    assert Experiment().setup().limits == Limits(max_tokens=512, max_step_tokens=64, max_steps=24)
    assert Experiment({"max_tokens": 9}).setup().limits.max_tokens == 9


def test_a_calibrated_delta_is_read_for_its_own_prm_only(tmp_path: Path) -> None:
    """Arms are told a number; another PRM's file is refused before anything is asked."""
    file = tmp_path / "calibrated.json"
    file.write_text(json.dumps({"format": FORMAT, "delta": 0.83, "prm": "qwen-prm+vllm#prm"}))

    mine, shipped = Experiment({**MINE, "delta": str(file)}), Experiment({"delta": str(file)})

    assert (mine.setup().delta, mine.identity["delta"]) == (0.83, 0.83)
    with pytest.raises(ConfigurationError, match="calibrated for another PRM"):
        shipped.setup()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"temperature": -1}, "temperature"), ({"max_steps": 0}, "max_steps")],
)
def test_an_option_that_cannot_be_used_is_named(
    settings: dict[str, object], complaint: str
) -> None:
    """As one of our errors."""
    with pytest.raises(ConfigurationError, match=complaint):
        Experiment(settings).setup()
