"""A GGUF model whose every word is known: the next token depends on the last one alone.

Token embeddings are one-hot and attention and MLP are zero, so the output matrix is a table of
log-probabilities. A real llama.cpp server then says what a test wants, in every way a step can end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

WIDTH = 384  # at least one dimension per token
CONTEXT = 256
CONTROL = ("<eos>", "<eot>", "<bos>")

TEMPLATE = (
    "{%- for m in messages %}{{- '<|' + m['role'] + '|>' + m['content'] + '<eos>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"
)

THINKING = TEMPLATE.replace("<|assistant|>' }}", "<|assistant|><think>\n' }}")
"""The same, with thinking that the template opens."""

CHAIN: Mapping[str, Mapping[str, float]] = {
    "<|assistant|>": {"First, 3+4=7.": 1.0},
    "First, 3+4=7.": {"\n\n": 1.0},
    "\n\n": {"So 7.": 1.0},
    "So 7.": {"<eos>": 1.0},
    "[blank]": {"\n\n": 1.0},
    "[merged]": {"half.\n\nNext": 1.0},
    "half.\n\nNext": {"<eos>": 1.0},
    "[loop]": {"la ": 1.0},
    "la ": {"la ": 1.0},
    "[turn]": {"<eot>": 1.0},
    "[empty]": {"<eos>": 1.0},
    "[coin]": {"+": 0.5, "-": 0.25, "la ": 0.25},
    "[mute]": {"la ": 1.0},
    "<check>": {"3+4=7": 1.0},
    "3+4=7": {"<+>": 0.6, "<->": 0.2, "la ": 0.2},
    "<+>": {"<eos>": 1.0},
    "<->": {"<eos>": 1.0},
    "[cut]": {"Ã": 0.6, "la ": 0.4},
    "Ã": {"©": 0.75, "+": 0.25},  # the two bytes of "é", as byte-level BPE writes them
    "©": {"\n\n": 1.0},
    "Ċ": {"Hm, 7?": 1.0},  # a line break, in which the prompt of `THINKING` ends
    "Hm, 7?": {"</think>": 1.0},
    "</think>": {"So 7.": 1.0},
    "Ġ": {"8": 0.75, "3": 0.25},  # after a space: the grade of a judge
}
"""Token -> the tokens that may follow, with their probabilities."""

_CERTAIN = 30.0  # logit of probability 1; every other token of the vocabulary has logit 0


def write_bigram_model(
    path: Path, *, bos: bool = False, template: str = TEMPLATE, context: int = CONTEXT
) -> Path:
    """Write the model; with *bos*, its tokenizer puts `<bos>` before every text."""
    words = [word for word in CHAIN if len(word) > 1]
    vocabulary = [*_byte_tokens(), "zz", *words, *CONTROL]
    ids = {token: number for number, token in enumerate(vocabulary)}
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_shape(writer, context)
    _add_tokenizer(writer, vocabulary, len(words), ids, bos, gguf.TokenType)
    writer.add_chat_template(template)
    for name, tensor in _tensors(ids).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_shape(writer: Any, context: int) -> None:
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(6)
    writer.add_head_count_kv(6)
    writer.add_layer_norm_rms_eps(1e-6)


def _add_tokenizer(
    writer: Any, vocabulary: list[str], words: int, ids: dict[str, int], bos: bool, kinds: Any
) -> None:
    plain = len(vocabulary) - words - len(CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types(
        [kinds.NORMAL] * plain + [kinds.USER_DEFINED] * words + [kinds.CONTROL] * len(CONTROL)
    )
    writer.add_token_merges(["z z"])  # the loader wants one
    writer.add_eos_token_id(ids["<eos>"])
    writer.add_eot_token_id(ids["<eot>"])
    writer.add_bos_token_id(ids["<bos>"])
    writer.add_add_bos_token(bos)


def _tensors(ids: Mapping[str, int]) -> dict[str, Any]:
    np = pytest.importorskip("numpy")
    zeros = partial(np.zeros, dtype=np.float32)
    count = len(ids)
    embedding, table = zeros((count, WIDTH)), zeros((count, WIDTH))
    embedding[np.arange(count), np.arange(count)] = 1
    for token, following in CHAIN.items():
        for word, probability in following.items():
            # the norm turns a one-hot vector into one of length sqrt(WIDTH)
            logit = math.log(probability) + _CERTAIN
            table[ids[word], ids[token]] = logit / math.sqrt(WIDTH)
    tensors = {f"attn_{name}.weight": zeros((WIDTH, WIDTH)) for name in ("q", "k", "v", "output")}
    tensors |= {f"attn_{name}.bias": zeros(WIDTH) for name in "qkv"}
    tensors |= {f"ffn_{name}.weight": zeros((32, WIDTH)) for name in ("gate", "up")}
    tensors |= {"ffn_down.weight": zeros((WIDTH, 32))}
    norms = {f"{name}_norm.weight": np.ones(WIDTH, np.float32) for name in ("attn", "ffn")}
    return {
        "token_embd.weight": embedding,
        "output.weight": table,
        "output_norm.weight": np.ones(WIDTH, np.float32),
        **{f"blk.0.{name}": tensor for name, tensor in (tensors | norms).items()},
    }


def _byte_tokens() -> list[str]:
    """The 256 bytes as byte-level BPE writes them."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in visible] + [chr(256 + n) for n in range(256 - len(visible))]
