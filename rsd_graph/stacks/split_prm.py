"""A reward model's checkpoint, divided into backbone and head: so any vLLM judges its last token.

The head of Qwen2.5-Math-PRM (two linear layers) or of Skywork-o1-Open-PRM (one) becomes Dense
modules as Sentence-Transformers have them, which vLLM applies to the hidden state of the last
token. Only the shards that hold the head are written anew; the others are hard links.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rsd_graph.errors import ConfigurationError
from rsd_graph.stacks.prm_head import UNUSED, Head, find_head, write_head, write_json
from rsd_graph.stacks.safetensors_file import Tensor, copy_file, read_tensors, write_tensors

Shards = Mapping[str, Mapping[str, Tensor]]
"""The tensors of each shard, by its name."""

Copied = Callable[[int, int], None]
"""(bytes more that are written, bytes in all)."""

_CONFIG, _INDEX, _ONE_SHARD = "config.json", "model.safetensors.index.json", "model.safetensors"


def split_prm(checkpoint: Path, out: Path, copied: Copied = lambda size, total: None) -> Head:
    """Write the divided *checkpoint* to *out*; the head that was found.

    Args:
        checkpoint: A folder with `config.json` and safetensors.
        out: The folder to make. It appears when it is whole.
        copied: Told as bytes are written.

    Raises:
        ConfigurationError: *out* exists, or *checkpoint* is not one we can divide.
    """
    if out.exists() or out.is_symlink():
        raise ConfigurationError(f"{out} exists.", expected="a folder that is not there yet")
    config = _config(checkpoint)
    shards = _shards(checkpoint)
    head = find_head(checkpoint, _all(shards))
    kept = {shard: _backbone_of(tensors, head) for shard, tensors in shards.items()}
    try:
        with _appearing(out) as folder:
            _write_shards(checkpoint, folder, shards, kept, copied)
            _write_descriptions(folder, config, kept)
            write_head(folder, config["hidden_size"], head, _all(shards))
            _copy_the_rest(checkpoint, folder)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}.") from error
    return head


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes *out* at the end of the block, or vanishes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        folder = Path(scratch) / out.name
        folder.mkdir()
        yield folder
        folder.rename(out)


def _config(checkpoint: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((checkpoint / _CONFIG).read_text("utf-8"))
        architecture, _ = config["model_type"], int(config["hidden_size"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigurationError(
            f"{checkpoint} is no checkpoint: {type(error).__name__} {error}.",
            expected="a folder with the config.json of a model",
            hint="Download one with: hf download Qwen/Qwen2.5-Math-PRM-7B --local-dir PRM",
        ) from error
    if architecture != "qwen2":
        raise ConfigurationError(
            f"{checkpoint} is a model of the type {architecture!r}.", expected="one of type 'qwen2'"
        )
    return config


def _shards(checkpoint: Path) -> Shards:
    if (checkpoint / "modules.json").exists():
        raise ConfigurationError(f"{checkpoint} has modules.json: it is divided already.")
    if not (checkpoint / _INDEX).exists():
        return {_ONE_SHARD: read_tensors(checkpoint / _ONE_SHARD)}
    try:
        places = json.loads((checkpoint / _INDEX).read_text("utf-8"))["weight_map"]
        names = sorted(set(places.values()))
        if any(Path(name).name != name for name in names):
            raise ValueError("a shard elsewhere")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"{checkpoint / _INDEX} is no index of shards.") from error
    shards = {name: read_tensors(checkpoint / name) for name in names}
    if missing := sorted(name for name, shard in places.items() if name not in shards[shard]):
        raise ConfigurationError(
            f"{missing[0]} is not in {places[missing[0]]}.", expected="the shards of the index"
        )
    return shards


def _all(shards: Shards) -> dict[str, Tensor]:
    return {name: tensor for shard in shards.values() for name, tensor in shard.items()}


def _write_shards(
    checkpoint: Path, folder: Path, shards: Shards, kept: Shards, copied: Copied
) -> None:
    """What is *kept* of the *shards*; those of which all is, under a second name."""
    untouched = [shard for shard, tensors in shards.items() if len(kept[shard]) == len(tensors)]
    sizes = {
        shard: sum(tensor.size for tensor in tensors.values()) for shard, tensors in kept.items()
    }
    sizes |= {shard: (checkpoint / shard).stat().st_size for shard in untouched}
    total = sum(sizes.values())
    for shard, tensors in kept.items():
        if shard in untouched:
            _link(checkpoint / shard, folder / shard, lambda size: copied(size, total))
        elif tensors:
            write_tensors(folder / shard, tensors, lambda size: copied(size, total))


def _write_descriptions(folder: Path, config: Mapping[str, object], kept: Shards) -> None:
    """The index of the shards, and a config that names the bare model."""
    if list(kept) != [_ONE_SHARD]:
        places = {name: shard for shard, tensors in kept.items() for name in tensors}
        size = sum(tensor.size for tensor in _all(kept).values())
        write_json(folder / _INDEX, {"metadata": {"total_size": size}, "weight_map": places})
    forgotten = {"auto_map", "id2label", "label2id", "num_labels"}
    bare = {key: value for key, value in config.items() if key not in forgotten}
    write_json(folder / _CONFIG, {**bare, "architectures": ["Qwen2ForCausalLM"]})


def _backbone_of(tensors: Mapping[str, Tensor], head: Head) -> dict[str, Tensor]:
    return {
        name: tensor
        for name, tensor in tensors.items()
        if not head.owns(name) and not name.startswith(UNUSED)
    }


def _copy_the_rest(checkpoint: Path, folder: Path) -> None:
    """Tokenizer and licence: all small files that are neither weights nor code."""
    for file in sorted(checkpoint.iterdir()):
        is_other = file.suffix not in (".safetensors", ".py", ".bin", ".pt", ".pth", ".gguf")
        if is_other and file.is_file() and file.name not in (_CONFIG, _INDEX):
            shutil.copyfile(file, folder / file.name)


def _link(source: Path, target: Path, copied: Callable[[int], None]) -> None:
    """A second name for the same bytes; a copy where the file system has none."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        copy_file(source, target, copied)
    else:
        copied(target.stat().st_size)
