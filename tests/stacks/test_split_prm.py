"""Dividing a reward model. The live suite serves what comes of it."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ConfigurationError
from rsd_graph.stacks.split_prm import split_prm
from tests.helpers.checkpoint import (
    BACKBONE,
    LM_HEAD,
    QWEN,
    SKYWORK,
    WIDTH,
    Shapes,
    contents,
    read_safetensors,
    safetensors,
    write_checkpoint,
)


def as_written(shapes: Shapes) -> dict[str, tuple[list[int], bytes]]:
    return {name: (list(shape), contents(name, shape)) for name, shape in shapes.items()}


def test_the_head_becomes_two_layers_and_the_rest_a_bare_model(tmp_path: Path) -> None:
    """As Sentence-Transformers write them, byte for byte the weights that were there."""
    checkpoint = write_checkpoint(tmp_path / "prm", {**BACKBONE, **LM_HEAD, **QWEN})
    out = tmp_path / "half"

    head = split_prm(checkpoint, out)

    assert head.family == "qwen-prm-split"
    assert read_safetensors(out / "model.safetensors") == as_written(BACKBONE)
    assert read_safetensors(out / "2_Dense" / "model.safetensors") == {
        "linear.weight": ([WIDTH, WIDTH], contents("score.0.weight", (WIDTH, WIDTH))),
        "linear.bias": ([WIDTH], contents("score.0.bias", (WIDTH,))),
    }
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert "auto_map" not in config
    layers = [json.loads((out / f"{n}_Dense" / "config.json").read_text()) for n in (2, 3)]
    assert [(each["in_features"], each["out_features"]) for each in layers] == [
        (WIDTH, WIDTH),
        (WIDTH, 2),
    ]
    assert [each["activation_function"].rpartition(".")[2] for each in layers] == [
        "ReLU",
        "Identity",
    ]
    modules = json.loads((out / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling", "2_Dense", "3_Dense"]
    pooling = json.loads((out / "1_Pooling" / "config.json").read_text())
    assert pooling == {"word_embedding_dimension": WIDTH, "pooling_mode_lasttoken": True}
    assert sorted(file.name for file in out.iterdir() if file.is_file()) == [
        "config.json",
        "model.safetensors",
        "modules.json",
        "tokenizer.json",
    ]


def test_a_value_head_is_one_layer(tmp_path: Path) -> None:
    """Skywork-o1-Open-PRM's; its name in endpoint strings stays."""
    checkpoint = write_checkpoint(tmp_path / "prm", {**BACKBONE, **SKYWORK})

    head = split_prm(checkpoint, tmp_path / "half")

    assert head.family == "skywork"
    config = json.loads((tmp_path / "half" / "2_Dense" / "config.json").read_text())
    assert config["out_features"] == 1
    assert not (tmp_path / "half" / "3_Dense").exists()


def test_only_shards_with_the_head_are_written_anew(tmp_path: Path) -> None:
    """The others are the same bytes under a second name; one that held nothing else is gone."""
    first, second = ({name: shape} for name, shape in BACKBONE.items())
    parts = [first, {**second, "score.0.weight": (WIDTH, WIDTH)}]
    rest = {name: shape for name, shape in QWEN.items() if name != "score.0.weight"}
    checkpoint = write_checkpoint(tmp_path / "prm", *parts, {**rest, **LM_HEAD})
    out = tmp_path / "half"

    split_prm(checkpoint, out)

    names = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    assert (out / names[0]).samefile(checkpoint / names[0])
    assert read_safetensors(out / names[1]) == as_written(second)
    assert not (out / names[2]).exists()
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert index == {
        "metadata": {"total_size": 2 * (8 * WIDTH + WIDTH)},
        "weight_map": {"model.embed_tokens.weight": names[0], "model.norm.weight": names[1]},
    }


def test_links_lead_to_the_files_of_a_hubs_cache(tmp_path: Path) -> None:
    """There every file is a symbolic link; ours would dangle if it were a link to that."""
    checkpoint = write_checkpoint(tmp_path / "prm", BACKBONE, QWEN)
    shard = checkpoint / "model-00001-of-00002.safetensors"
    blob = shard.rename(tmp_path / "blob")
    shard.symlink_to(blob)

    split_prm(checkpoint, tmp_path / "half")

    linked = tmp_path / "half" / shard.name
    assert not linked.is_symlink()
    assert linked.samefile(blob)


def test_without_hard_links_shards_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across file systems, say."""

    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    checkpoint = write_checkpoint(tmp_path / "prm", BACKBONE, QWEN)

    split_prm(checkpoint, tmp_path / "half")

    shard = "model-00001-of-00002.safetensors"
    assert (tmp_path / "half" / shard).read_bytes() == (checkpoint / shard).read_bytes()


@pytest.mark.parametrize("shards", [[{**BACKBONE, **QWEN}], [BACKBONE, {**LM_HEAD, **QWEN}]])
def test_progress_adds_up(tmp_path: Path, shards: list[Shapes]) -> None:
    """Told piece by piece, to the very total it names."""
    told: list[tuple[int, int]] = []
    checkpoint = write_checkpoint(tmp_path / "prm", *shards)

    split_prm(checkpoint, tmp_path / "half", lambda size, total: told.append((size, total)))

    assert {total for _, total in told} == {sum(size for size, _ in told)}


def other(config: dict[str, Any], *shards: Shapes) -> Any:
    return lambda folder: write_checkpoint(folder, *shards, **config)


def broken(content: bytes) -> Any:
    """A checkpoint whose only shard is *content*."""

    def write(folder: Path) -> None:
        write_checkpoint(folder, {**BACKBONE, **QWEN})
        (folder / "model.safetensors").write_bytes(content)

    return write


def without(name: str) -> Any:
    def write(folder: Path) -> None:
        write_checkpoint(folder, {**BACKBONE, **QWEN})
        (folder / name).unlink()

    return write


def incomplete(folder: Path) -> None:
    write_checkpoint(folder, BACKBONE, QWEN)
    (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors(SKYWORK))


def elsewhere(folder: Path) -> None:
    write_checkpoint(folder, BACKBONE, QWEN)
    index = {"weight_map": dict.fromkeys([*BACKBONE, *QWEN], "../model.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


WHOLE = safetensors({**BACKBONE, **QWEN})
REFUSED: dict[str, tuple[Any, str]] = {
    "no folder": (lambda folder: None, "no checkpoint.*config.json"),
    "no config": (without("config.json"), "no checkpoint"),
    "another model": (other({"model_type": "llama"}, {**BACKBONE, **QWEN}), "type 'llama'"),
    "no safetensors": (without("model.safetensors"), "cannot be read"),
    "no head": (other({}, {**BACKBONE, **LM_HEAD}), "nothing beside its backbone"),
    "half a head": (other({}, {**BACKBONE, "score.0.weight": (4, 4)}), "score.0.weight beside"),
    "another head": (other({}, {**BACKBONE, "classifier.weight": (2, 4)}), "classifier.weight"),
    "two heads": (other({}, {**BACKBONE, **QWEN, **SKYWORK}), "v_head.summary.bias"),
    "three labels": (
        other({}, {**BACKBONE, **QWEN, "score.2.weight": (3, 4), "score.2.bias": (3,)}),
        "beside its backbone",
    ),
    "one layer": (
        other({}, {**BACKBONE, "score.weight": (2, 4), "score.bias": (2,)}),
        "undivided.*Qwen2ForSequenceClassification",
    ),
    "cut off": (broken(WHOLE[:-1]), "ends before its last tensor"),
    "empty": (broken(b""), "cannot be read"),
    "no header": (broken(struct.pack("<Q", 2**60) + b"{}"), "a header of"),
    "not JSON": (broken(struct.pack("<Q", 4) + b"nope"), "cannot be read"),
    "a torch file": (broken(b"PK\x03\x04" * 9), "cannot be read"),
    "no width": (other({"hidden_size": None}, {**BACKBONE, **QWEN}), "no checkpoint"),
    "a shard elsewhere": (elsewhere, "no index of shards"),
    "a shard without what the index says": (incomplete, "is not in model-00002"),
}


@pytest.mark.parametrize(("write", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_it_does_not_know_is_refused(tmp_path: Path, write: Any, words: str) -> None:
    """Named, and nothing is left behind."""
    write(tmp_path / "prm")
    before = sorted(tmp_path.iterdir())

    with pytest.raises(ConfigurationError, match=words):
        split_prm(tmp_path / "prm", tmp_path / "half")

    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """An empty one too: somebody made it for something."""
    checkpoint = write_checkpoint(tmp_path / "prm", {**BACKBONE, **QWEN})
    (tmp_path / "half").mkdir()

    with pytest.raises(ConfigurationError, match="half exists"):
        split_prm(checkpoint, tmp_path / "half")

    assert list((tmp_path / "half").iterdir()) == []


def test_what_is_divided_is_not_divided_again(tmp_path: Path) -> None:
    """Its Dense modules would be lost."""
    split_prm(write_checkpoint(tmp_path / "prm", {**BACKBONE, **QWEN}), tmp_path / "half")

    with pytest.raises(ConfigurationError, match="divided already"):
        split_prm(tmp_path / "half", tmp_path / "quarter")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A file stands where the folder's parent should."""
    checkpoint = write_checkpoint(tmp_path / "prm", {**BACKBONE, **QWEN})
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="cannot be written"):
        split_prm(checkpoint, tmp_path / "file" / "half")


def test_an_interrupted_division_leaves_nothing(tmp_path: Path) -> None:
    """The folder appears when it is whole."""
    checkpoint = write_checkpoint(tmp_path / "prm", {**BACKBONE, **QWEN})

    def interrupt(size: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split_prm(checkpoint, tmp_path / "half", interrupt)

    assert sorted(tmp_path.iterdir()) == [checkpoint]
