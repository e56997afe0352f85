"""Verdicts without a server, and those made of others, as strings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ChatRSD, ConfigurationError, reward_model
from rsd_graph.providers.prm import (
    Aggregated,
    Agreement,
    Capped,
    Cascade,
    DraftConfidence,
    FirstTokenCertainty,
    Learned,
    LeastLikelyToken,
    PoolingPRM,
)
from rsd_graph.providers.prm.by_phase import ByPhase
from rsd_graph.stacks.config import load_stack
from tests.providers.prm.test_learned import written

DRAFT, TARGET = "vllm+http://h/v1?logprobs=on#small", "vllm+http://h/v1#large"
PRM = "qwen-prm+vllm+http://h/v1?timeout=7#prm,7b"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mean", DraftConfidence), ("lowest", LeastLikelyToken), ("first", FirstTokenCertainty)],
)
def test_a_free_verdict_has_a_name(name: str, kind: type) -> None:
    """It sits in the PRM's seat like any other."""
    assert isinstance(reward_model(f"free:{name}"), kind)


def test_a_cascade_in_a_string(tmp_path: Path) -> None:
    """Its members are made as they would be alone, with the caller's settings."""
    found = reward_model(f"cascade:0.2,0.9,learned:{written(tmp_path)},{PRM}", max_retries=0)

    assert isinstance(found, Cascade)
    first, then = found.members
    assert isinstance(first, Learned)
    assert isinstance(then, PoolingPRM)
    assert (then.endpoint.model, then.endpoint.timeout) == ("prm,7b", 7)
    assert then.endpoint.retry.attempts == 1


def test_a_learned_verdict_says_itself_where_it_is_unsure(tmp_path: Path) -> None:
    """Without numbers its own interval counts; a free verdict has none."""
    file = written(tmp_path)

    assert isinstance(
        reward_model(f"cascade:learned:{file},cascade:0.1,0.2,free:mean,{PRM}"), Cascade
    )
    with pytest.raises(ConfigurationError, match="low <= high"):
        reward_model(f"cascade:free:mean,{PRM}")


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (f"agree:4,{DRAFT}", Agreement),
        (f"capped:0.2,{PRM}", Capped),
        (f"so-far:product,{PRM}", Aggregated),
        (f"by-phase:free:lowest,{PRM}", ByPhase),
        (f"capped:0.2,so-far:min,cascade:0,1,free:lowest,{PRM}", Capped),
    ],
)
def test_a_verdict_around_another_in_a_string(spec: str, kind: type) -> None:
    """One inside the other, as deep as one likes; a chat model takes it, too."""
    assert isinstance(reward_model(spec), kind)
    assert ChatRSD(draft=DRAFT, target=TARGET, prm=spec).prm == spec


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("free:lowes", "Did you mean 'lowest'"),
        ("cascade:free:mean", "this is no cascade"),
        ("cascade:a,b,free:mean,free:lowest", "unsure from 'a' to 'b'"),
        ("cascade:0.2,0.9,free:mean,vlm+http://h#m", "Did you mean 'vllm'"),
        ("learned:", "this is no learned"),
        ("agree:vllm+http://h#m", "this is no agree"),
        ("agree:few,vllm+http://h#m", "'few' is no number"),
        ("capped:much,free:mean", "'much' is no number"),
        ("capped:2,free:mean", "a share of 2 for the target"),
        ("so-far:most,free:mean", "cannot be aggregated by 'most'"),
        ("learned:nowhere.json", "nowhere.json cannot be read"),
    ],
)
def test_a_string_that_goes_wrong(spec: str, words: str) -> None:
    """The error names the seat and the string."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        reward_model(spec)

    assert caught.value.role == "prm"


def test_a_learned_verdict_is_refused_beside_another_draft(tmp_path: Path) -> None:
    """When the model is made, before anything is asked; inside a cascade, too."""
    models: dict[str, Any] = {"target": TARGET, "prm": f"cascade:learned:{written(tmp_path)},{PRM}"}

    assert ChatRSD(draft=DRAFT, **models).prm == models["prm"]
    with pytest.raises(ConfigurationError, match="belongs to another draft"):
        ChatRSD(draft="vllm+http://h/v1?logprobs=on#other", **models)


def test_one_learned_beside_a_prm_wants_that_one(tmp_path: Path) -> None:
    """By name, wherever it is served."""
    file = written(tmp_path, weights={"reward": 1.0}, prm="qwen-prm+vllm#prm,7b")

    assert isinstance(reward_model(f"learned:{file},{PRM}"), Learned)
    with pytest.raises(ConfigurationError, match="belongs to another prm"):
        reward_model(f"learned:{file},qwen-prm+vllm+http://h/v1#other")


def test_a_stack_finds_its_files_beside_it(tmp_path: Path) -> None:
    """As it does a calibration file."""
    written(tmp_path)
    (tmp_path / "rsd.toml").write_text(
        f'[stacks.s]\ndraft = "{DRAFT}"\ntarget = "{TARGET}"\n'
        f'prm = "cascade:learned:learned.json,{PRM}"\n'
    )

    said = load_stack(tmp_path / "rsd.toml")

    assert said["prm"] == f"cascade:learned:{tmp_path / 'learned.json'},{PRM}"
    assert ChatRSD(**said).prm == said["prm"]


def test_embedded_members_are_started_when_they_are_needed(tmp_path: Path) -> None:
    """Making the model reads no file of theirs but asks whether it is there."""
    draft = "embedded:draft?logprobs=on"
    file = written(tmp_path, draft="embedded:draft")
    seats = {"draft": draft, "target": "embedded:target"}

    llm = ChatRSD(**seats, prm=f"cascade:learned:{file},embedded:prm")

    assert llm.sizes is None  # which of two models a verdict came from, parameters cannot say
    with pytest.raises(ConfigurationError, match="is not there"):
        ChatRSD(**seats, prm=f"cascade:learned:{file},embedded:nobody")
