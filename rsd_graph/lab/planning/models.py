"""Models by name, by size, or by their own config.json; GPUs by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsd_graph.answer.mistakes import did_you_mean
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.latency.hardware import (
    GPU,
    GPUS,
    QWEN_1_5B,
    QWEN_7B,
    QWEN_72B,
    QWEN_PRM_7B,
    SKYWORK_PRM_1_5B,
    Model,
    qwen,
)

_PUBLISHED = (
    qwen("Qwen/Qwen2.5-0.5B-Instruct", 0.49, 0.36, layers=24, kv_width=2 * 64, heads=14),
    qwen("Qwen/Qwen2.5-1.5B-Instruct", 1.54, 1.31, layers=28, kv_width=2 * 128, heads=12),
    qwen("Qwen/Qwen2.5-3B-Instruct", 3.09, 2.77, layers=36, kv_width=2 * 128, heads=16),
    qwen("Qwen/Qwen2.5-7B-Instruct", 7.61, 6.53, layers=28, kv_width=4 * 128, heads=28),
    qwen("Qwen/Qwen2.5-14B-Instruct", 14.7, 13.1, layers=48, kv_width=8 * 128, heads=40),
    qwen("Qwen/Qwen2.5-32B-Instruct", 32.5, 31.0, layers=64, kv_width=8 * 128, heads=40),
    qwen("Qwen/Qwen2.5-72B-Instruct", 72.7, 70.0, layers=80, kv_width=8 * 128, heads=64),
    *(
        replace(model, name=f"Qwen/{model.name}-Instruct")
        for model in (QWEN_1_5B, QWEN_7B, QWEN_72B)
    ),
    replace(QWEN_PRM_7B, name=f"Qwen/{QWEN_PRM_7B.name}"),
    replace(SKYWORK_PRM_1_5B, name=f"Skywork/{SKYWORK_PRM_1_5B.name}"),
)


def _short(name: str) -> str:
    return name.lower().rpartition("/")[2].removesuffix("-instruct")


_KNOWN = {_short(model.name): model for model in _PUBLISHED}
PRMS = ("Qwen/Qwen2.5-Math-PRM-7B", "Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B")
"""Those to choose from, unless somebody names others."""

_UNMODELLED = {
    "quantization_config": "quantized weights",
    "num_experts": "a mixture of experts",
    "num_local_experts": "a mixture of experts",
    "n_routed_experts": "a mixture of experts",
    "kv_lora_rank": "latent attention",
}
"""What a config.json says of models that the hardware model does not cover."""


def gpu_of(name: str) -> GPU:
    """The GPU of this short name.

    Raises:
        ConfigurationError: It is not known.
    """
    if found := GPUS.get(name.lower()):
        return found
    raise ConfigurationError(
        f"no GPU {name!r}.", expected=", ".join(GPUS), hint=did_you_mean(name.lower(), GPUS)
    )


def model_of(text: str) -> Model:
    """The model that *text* means: `7B` (of Qwen2.5), a name, or where its config.json is.

    Raises:
        ConfigurationError: No such model, or one that the hardware model does not cover.
    """
    path = Path(text)
    if path.is_dir():
        return _read(path / "config.json")
    if path.suffix == ".json":
        return _read(path)
    name = _short(text)
    found = _KNOWN.get(name) or _KNOWN.get(f"qwen2.5-{name}")
    if found is None:
        raise ConfigurationError(
            f"no model {text!r}.",
            expected="a size of Qwen2.5 such as 7B, a name, or a folder with its config.json",
            hint=did_you_mean(name, _KNOWN),
        )
    return replace(found, name=text) if "/" in text else found


def _read(path: Path) -> Model:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from error
    for key, what in _UNMODELLED.items():
        if config.get(key):
            raise ConfigurationError(
                f"{path} describes {what}, which is not modelled.",
                expected="a dense model in BF16",
            )
    try:
        return _sized(str(path.parent), config)
    except (KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} lacks {error}.", expected="the config.json of a Llama- or Qwen-like model"
        ) from error


def _sized(name: str, config: dict[str, Any]) -> Model:
    """Parameters of attention, gated MLP and embeddings, as such models have them."""
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or width // heads
    kv_width = config.get("num_key_value_heads", heads) * head
    layer = 2 * width * (heads * head + kv_width) + 3 * width * config["intermediate_size"]
    tables = 1 if config.get("tie_word_embeddings") else 2
    embeddings = tables * width * config["vocab_size"]
    computed = layers * layer / 1e9
    return qwen(name, computed + embeddings / 1e9, computed, layers, kv_width, heads)
