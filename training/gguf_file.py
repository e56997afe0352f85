"""Write a Qwen2 model as GGUF, the file format of llama.cpp."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from tokenizers import Tokenizer
from torch import Tensor

from training.chat import PADDING, TURN_END, token_id
from training.model import NORM_EPS, ROPE_THETA, Shape

LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}


@dataclass(frozen=True)
class Header:
    """What a file says of its model: name, shape, tokens of context, chat template."""

    name: str
    shape: Shape
    context: int
    template: str


def write_gguf(
    path: Path, header: Header, tensors: Mapping[str, Tensor], tokenizer: Tokenizer
) -> None:
    """Write header, tokenizer and tensors."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name(header.name)
    writer.add_license("apache-2.0")
    add_shape(writer, header.shape, header.context)
    add_tokenizer(writer, tokenizer)
    writer.add_chat_template(header.template)
    for tensor_name, tensor in tensors.items():
        writer.add_tensor(gguf_name(tensor_name), stored(tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def stored(tensor: Tensor) -> np.ndarray:
    """Keep matrices in fp16; llama.cpp wants vectors (norms and biases) in fp32."""
    return tensor.numpy() if tensor.ndim == 2 else tensor.float().numpy()


def add_shape(writer: gguf.GGUFWriter, shape: Shape, context: int) -> None:
    """Describe the architecture."""
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_freq_base(ROPE_THETA)
    writer.add_layer_norm_rms_eps(NORM_EPS)


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    """Embed vocabulary and merges.

    The plain added tokens are "user defined": found in any text, and kept in the text returned.
    """
    content = json.loads(tokenizer.to_str())
    added = {token["id"]: token for token in content["added_tokens"]}
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([text for text, _ in vocabulary])
    writer.add_token_types([token_type(added.get(number)) for _, number in vocabulary])
    writer.add_token_merges([" ".join(pair) for pair in content["model"]["merges"]])
    writer.add_eos_token_id(token_id(tokenizer, TURN_END))
    writer.add_pad_token_id(token_id(tokenizer, PADDING))
    writer.add_add_bos_token(False)


def token_type(added: Mapping[str, object] | None) -> gguf.TokenType:
    """Tell ordinary tokens from control tokens and from plain added ones."""
    if added is None:
        return gguf.TokenType.NORMAL
    return gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED


def gguf_name(name: str) -> str:
    """Translate ``model.layers.0.mlp.up_proj.weight`` into ``blk.0.ffn_up.weight``."""
    stem, kind = name.rsplit(".", 1)
    if stem in OUTER_NAMES:
        return f"{OUTER_NAMES[stem]}.{kind}"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{LAYER_NAMES[part]}.{kind}"
