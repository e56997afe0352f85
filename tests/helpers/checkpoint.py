"""A reward model's checkpoint in miniature: config, tokenizer, code, and safetensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH = 4
BACKBONE = {"model.embed_tokens.weight": (8, WIDTH), "model.norm.weight": (WIDTH,)}
LM_HEAD = {"lm_head.weight": (8, WIDTH)}
QWEN = {
    "score.0.weight": (WIDTH, WIDTH),
    "score.0.bias": (WIDTH,),
    "score.2.weight": (2, WIDTH),
    "score.2.bias": (2,),
}
SKYWORK = {"v_head.summary.weight": (1, WIDTH), "v_head.summary.bias": (1,)}

Shapes = Mapping[str, Sequence[int]]


def contents(name: str, shape: Sequence[int]) -> bytes:
    """The bytes of a tensor, which say whose they are."""
    size = 2
    for number in shape:
        size *= number
    return (name.encode() * size)[:size]


def safetensors(shapes: Shapes) -> bytes:
    """A file of the format, written from its documentation."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, shape in shapes.items():
        end = len(body) + len(contents(name, shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [len(body), end]}
        body += contents(name, shape)
    told = json.dumps(header).encode()
    return struct.pack("<Q", len(told)) + told + body


def read_safetensors(file: Path) -> dict[str, tuple[list[int], bytes]]:
    """Shape and bytes of every tensor."""
    whole = file.read_bytes()
    begin = 8 + struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8:begin])
    return {
        name: (entry["shape"], whole[begin:][slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def write_checkpoint(folder: Path, *shards: Shapes, **config: object) -> Path:
    """A folder as a hub has it; with several *shards*, their index too."""
    folder.mkdir()
    told = {"architectures": ["Qwen2ForProcessRewardModel"], "model_type": "qwen2"}
    told |= {"hidden_size": WIDTH, "auto_map": {"AutoModel": "modeling.M"}, **config}
    (folder / "config.json").write_text(json.dumps(told))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "modeling.py").write_text("raise SystemExit")
    if len(shards) == 1:
        (folder / "model.safetensors").write_bytes(safetensors(shards[0]))
        return folder
    places = {}
    for number, shapes in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        (folder / file).write_bytes(safetensors(shapes))
        places |= dict.fromkeys(shapes, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder
