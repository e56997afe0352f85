"""Random reward models for the live suite: right in shape, meaningless in what they say.

Run by an environment that has torch and transformers: `python random_models.py TOKENIZER OUT`.
Writes `process` (Qwen2ForProcessRewardModel), `tokens` (Qwen2ForTokenClassification), `outcome`
(Qwen2ForSequenceClassification, one label) and `skywork` (a Qwen2 with a value head); and in
`values.json` what the last gives by transformers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2Config, Qwen2Model

WIDTH = 64
STEP_TAG = "<extra_0>"
VALUED = list(range(20, 84))
"""Tokens of the prompt whose values are written down."""


def make(tokenizer: Path, out: Path) -> None:
    """Write all of them; the check tag of the shipped PRM becomes Qwen's step tag."""
    words = json.loads((tokenizer / "tokenizer.json").read_text("utf-8"))
    tag = next(token["id"] for token in words["added_tokens"] if token["content"] == "<check>")
    heads = {
        "process": {"score.0": (WIDTH, WIDTH), "score.2": (2, WIDTH)},
        "tokens": {"score": (2, WIDTH)},
        "outcome": {"score": (1, WIDTH)},
        "skywork": {"v_head.summary": (1, WIDTH)},
    }
    for seed, (name, layers) in enumerate(heads.items()):
        torch.manual_seed(seed)
        folder = out / name
        _write_backbone(folder, len(words["model"]["vocab"]) + len(words["added_tokens"]))
        _write_tokenizer(tokenizer, folder)
        _add_head(folder, layers)
        _describe(folder, name)
    (out / "tag.json").write_text(json.dumps(tag), "utf-8")
    valued = {"tokens": VALUED, "values": _values(out / "skywork")}
    (out / "values.json").write_text(json.dumps(valued), "utf-8")


@torch.inference_mode()
def _values(folder: Path) -> list[float]:
    """The value head's number after each of `VALUED`, by transformers: what vLLM must give."""
    backbone = Qwen2Model.from_pretrained(folder, dtype=torch.float32).eval()
    tensors = load_file(folder / "model.safetensors")
    weight, bias = (tensors[f"v_head.summary.{part}"] for part in ("weight", "bias"))
    hidden = backbone(torch.tensor([VALUED])).last_hidden_state[0]
    return [float(value) for value in (hidden @ weight.T + bias)[:, 0]]


def _write_backbone(folder: Path, vocabulary: int) -> None:
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=None,
    )
    Qwen2Model(config).float().save_pretrained(folder)


def _write_tokenizer(source: Path, folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (source / name).read_text("utf-8").replace("<check>", STEP_TAG)
        (folder / name).write_text(text, "utf-8")


def _add_head(folder: Path, layers: dict[str, tuple[int, int]]) -> None:
    file = folder / "model.safetensors"
    tensors = {f"model.{name}": tensor for name, tensor in load_file(file).items()}
    for name, shape in layers.items():
        tensors[f"{name}.weight"] = torch.randn(shape) / WIDTH**0.5
        tensors[f"{name}.bias"] = torch.zeros(shape[0])
    if any(name == "score" for name in layers) and layers["score"][0] == 1:
        del tensors["score.bias"]  # sequence classifiers have none
    save_file(tensors, file, metadata={"format": "pt"})


def _describe(folder: Path, name: str) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text("utf-8"))
    architectures = {
        "process": "Qwen2ForProcessRewardModel",
        "tokens": "Qwen2ForTokenClassification",
        "outcome": "Qwen2ForSequenceClassification",
        "skywork": "Qwen2ForPrmModel",
    }
    labels = 1 if name == "outcome" else 2
    config["architectures"] = [architectures[name]]
    config["id2label"] = {str(number): f"LABEL_{number}" for number in range(labels)}
    config["label2id"] = {f"LABEL_{number}": number for number in range(labels)}
    file.write_text(json.dumps(config), "utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
