"""Export a trained role as a Hugging Face folder and as a GGUF file.

Weights are rounded to fp16 once, here; both formats then hold exactly the same numbers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from tokenizers import Tokenizer

from training.card import thinking_card
from training.chat import (
    CHAT_TEMPLATE,
    PADDING,
    THINKING_TEMPLATE,
    TURN_END,
    TURN_START,
    token_id,
)
from training.gguf_file import Header, write_gguf
from training.model import NORM_EPS, ROPE_THETA, Shape
from training.recipes import ALL_RECIPES, THINKING_RECIPES

CONTEXT = 1024
MODELS = Path("rsd_graph/embedded/models")


def model_config(shape: Shape, tokenizer: Tokenizer) -> dict[str, Any]:
    """Describe the model in the words of Qwen2's ``config.json``."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": CONTEXT,
        "rope_theta": ROPE_THETA,
        "rms_norm_eps": NORM_EPS,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_sliding_window": False,
        "tie_word_embeddings": True,
        "torch_dtype": "float16",
        **special_ids(tokenizer),
    }


def special_ids(tokenizer: Tokenizer) -> dict[str, int | None]:
    """Name the tokens that end a turn and fill a batch; no token opens a text."""
    return {
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, TURN_END),
        "pad_token_id": token_id(tokenizer, PADDING),
    }


def tokenizer_config(template: str) -> dict[str, Any]:
    """Describe the tokenizer; everything else is in ``tokenizer.json``."""
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_prefix_space": False,
        "bos_token": None,
        "unk_token": None,
        "eos_token": TURN_END,
        "pad_token": PADDING,
        "additional_special_tokens": [TURN_START],
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT,
        "chat_template": template,
    }


def export_role(role: str, weights: Path, tokenizer: Tokenizer, models: Path) -> None:
    """Write the folder and the GGUF file of one role."""
    folder = models / role
    folder.mkdir(parents=True, exist_ok=True)
    recipe = ALL_RECIPES[role]
    shape, template = recipe.shape, THINKING_TEMPLATE if recipe.thinks else CHAT_TEMPLATE
    tensors = {
        name: tensor.half().contiguous()
        for name, tensor in torch.load(weights, weights_only=True).items()
    }
    (folder / "model.safetensors").write_bytes(save(tensors, {"format": "pt"}))
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", model_config(shape, tokenizer))
    write_json(folder / "generation_config.json", {**special_ids(tokenizer), "do_sample": False})
    write_json(folder / "tokenizer_config.json", tokenizer_config(template))
    header = Header(f"rsd-graph-{role}", shape, CONTEXT, template)
    write_gguf(models / f"{role}.gguf", header, tensors, tokenizer)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write readable JSON that ends in a newline."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Export every role found in the run folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--models", type=Path, default=MODELS)
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(args.runs / "tokenizer.json"))
    for role in ALL_RECIPES:
        weights = args.runs / role / "final.pt"
        if weights.exists():
            export_role(role, weights, tokenizer, args.models)
            print(f"{role} -> {args.models / role}")
    if any((args.runs / role).exists() for role in THINKING_RECIPES):
        write_json(args.models / "thinking-card.json", thinking_card())


if __name__ == "__main__":
    main()
