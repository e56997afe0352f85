"""The heads of reward models that can stand apart, and how Sentence-Transformers write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from rsd_graph.errors import ConfigurationError
from rsd_graph.stacks.safetensors_file import Tensor, write_tensors

_RELU = "torch.nn.modules.activation.ReLU"
_IDENTITY = "torch.nn.modules.linear.Identity"


@dataclass(frozen=True, slots=True)
class Layer:
    """One linear layer of a head: what its tensors are called, its width, and what follows it."""

    name: str
    outputs: int | None
    activation: str


@dataclass(frozen=True, slots=True)
class Head:
    """A head we know.

    Attributes:
        family: How the result is named in endpoint strings.
        layers: Its linear layers, in order.
    """

    family: str
    layers: tuple[Layer, ...]

    def owns(self, tensor: str) -> bool:
        """Whether the tensor of this name is part of the head."""
        return any(tensor.startswith(f"{layer.name}.") for layer in self.layers)


UNUSED = ("lm_head.",)
"""What the tensors of a checkpoint begin with that no reward model needs."""

HEADS = (
    Head("qwen-prm-split", (Layer("score.0", None, _RELU), Layer("score.2", 2, _IDENTITY))),
    Head("skywork", (Layer("v_head.summary", 1, _IDENTITY),)),
)
"""Qwen2.5-Math-PRM's and Skywork-o1-Open-PRM's."""


def find_head(checkpoint: Path, tensors: Mapping[str, Tensor]) -> Head:
    """The head among the *tensors* of a checkpoint.

    Raises:
        ConfigurationError: None that we know, or one that need not be divided.
    """
    strangers = {name for name in tensors if not name.startswith(("model.", *UNUSED))}
    for head in HEADS:
        expected = {f"{layer.name}.{part}" for layer in head.layers for part in ("weight", "bias")}
        if strangers == expected and _fits(head, tensors):
            return head
    if strangers in ({"score.weight"}, {"score.weight", "score.bias"}):
        raise ConfigurationError(
            f"{checkpoint} has a head of one layer, which vLLM serves undivided.",
            hint=f"Add --runner pooling {served_as('Qwen2ForSequenceClassification')}.",
        )
    raise ConfigurationError(
        f"{checkpoint} has {', '.join(sorted(strangers)) or 'nothing'} beside its backbone.",
        expected="the head of Qwen2.5-Math-PRM (score.0, score.2) or Skywork-o1-Open-PRM (v_head)",
    )


def _fits(head: Head, tensors: Mapping[str, Tensor]) -> bool:
    """Whether each layer takes what the one before it gives, and the last gives the verdict."""
    shapes = [tensors[f"{layer.name}.weight"].shape for layer in head.layers]
    chained = all(before[0] == after[-1] for before, after in pairwise(shapes))
    widths = zip(head.layers, shapes, strict=True)
    return chained and all(layer.outputs in (None, shape[0]) for layer, shape in widths)


def write_head(folder: Path, width: int, head: Head, tensors: Mapping[str, Tensor]) -> None:
    """Write Sentence-Transformers' modules: the model, the last token, a Dense for each layer.

    Args:
        folder: The model's.
        width: Numbers in the model's hidden state.
        head: What is written.
        tensors: Where its weights stand.
    """
    names = ["", "1_Pooling", *(f"{place}_Dense" for place in range(2, len(head.layers) + 2))]
    kinds = ["Transformer", "Pooling", *["Dense"] * len(head.layers)]
    for name in names[1:]:
        (folder / name).mkdir()
    last_token = {"word_embedding_dimension": width, "pooling_mode_lasttoken": True}
    write_json(folder / "1_Pooling" / "config.json", last_token)
    for name, layer in zip(names[2:], head.layers, strict=True):
        _write_dense(folder / name, layer, tensors)
    modules = [
        {
            "idx": place,
            "name": str(place),
            "path": name,
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
    ]
    write_json(folder / "modules.json", modules)


def _write_dense(folder: Path, layer: Layer, tensors: Mapping[str, Tensor]) -> None:
    weight, bias = tensors[f"{layer.name}.weight"], tensors[f"{layer.name}.bias"]
    outputs, inputs = weight.shape
    described = {
        "in_features": inputs,
        "out_features": outputs,
        "bias": True,
        "activation_function": layer.activation,
    }
    write_json(folder / "config.json", described)
    write_tensors(folder / "model.safetensors", {"linear.weight": weight, "linear.bias": bias})


def write_json(file: Path, content: Mapping[str, object] | Sequence[object]) -> None:
    """Write *content* as people like to read it."""
    file.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def served_as(architecture: str) -> str:
    """The flag that makes vLLM serve a checkpoint as another architecture."""
    return f'--hf-overrides \'{{"architectures": ["{architecture}"]}}\''
