"""Qwen2 in plain PyTorch, with the parameter names of its Hugging Face namesake.

Attention is written out as matrix products: on a CPU, at these sizes, that trains faster than
the fused kernel, whose backward pass alone took a third of a training step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROPE_THETA = 10_000.0
NORM_EPS = 1e-6
INIT_STD = 0.02
HIDDEN_FROM_ATTENTION = -1e9
FAST = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
"""What products are computed in: without the instructions for it, bfloat16 takes twice as long."""

Cache = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Shape:
    """The few numbers in which our three models differ."""

    layers: int
    width: int
    heads: int
    feed_forward: int
    vocabulary: int

    @property
    def head_width(self) -> int:
        """Width of one attention head; servers' CPU kernels want at least 32."""
        return self.width // self.heads


def rotary_tables(positions: Tensor, head_width: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of every position's rotation angles, ready to broadcast over heads."""
    exponents = torch.arange(0, head_width, 2, dtype=torch.float32) / head_width
    angles = positions[..., None].float() * ROPE_THETA**-exponents
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().unsqueeze(-3), angles.sin().unsqueeze(-3)


def rotate(x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate queries or keys by their positions (the half-split layout of Llama and Qwen)."""
    cos, sin = tables
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    """Multi-head attention with biases on query, key and value, as in Qwen2."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.scale = shape.heads, shape.head_width**-0.5
        self.q_proj = nn.Linear(shape.width, shape.width)
        self.k_proj = nn.Linear(shape.width, shape.width)
        self.v_proj = nn.Linear(shape.width, shape.width)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def _split(self, x: Tensor) -> Tensor:
        rows, length, width = x.shape
        return x.view(rows, length, self.heads, width // self.heads).transpose(1, 2)

    def forward(
        self, x: Tensor, tables: tuple[Tensor, Tensor], mask: Tensor, cache: Cache | None
    ) -> Tensor:
        """Attend where *mask* is zero; keys and values are appended to *cache* if there is one."""
        query = rotate(self._split(self.q_proj(x)), tables)
        key, value = rotate(self._split(self.k_proj(x)), tables), self._split(self.v_proj(x))
        if cache is not None:
            past_key, past_value = cache.pop(0)
            key, value = torch.cat((past_key, key), 2), torch.cat((past_value, value), 2)
            cache.append((key, value))
        weights = (query * self.scale @ key.transpose(-1, -2) + mask).softmax(-1)
        mixed: Tensor = self.o_proj((weights.to(value.dtype) @ value).transpose(1, 2).flatten(2))
        return mixed


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.feed_forward, bias=False)
        self.down_proj = nn.Linear(shape.feed_forward, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Gate, widen, narrow."""
        narrowed: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return narrowed


class Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.width, NORM_EPS)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = nn.RMSNorm(shape.width, NORM_EPS)
        self.mlp = FeedForward(shape)

    def forward(
        self, x: Tensor, tables: tuple[Tensor, Tensor], mask: Tensor, cache: Cache | None
    ) -> Tensor:
        """Add attention, then the feed-forward block, to the residual stream."""
        x = x + self.self_attn(self.input_layernorm(x), tables, mask, cache)
        update: Tensor = self.mlp(self.post_attention_layernorm(x))
        return x + update


class Backbone(nn.Module):
    """Embedding, layers and final norm: what Hugging Face calls ``model.``."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, NORM_EPS)


class LanguageModel(nn.Module):
    """A causal language model whose output matrix is its embedding matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Backbone(shape)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=INIT_STD)

    def hidden(
        self, ids: Tensor, positions: Tensor, mask: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """Return the normed last hidden states; logits are left to the caller, who needs few."""
        x = self.model.embed_tokens(ids)
        tables = rotary_tables(positions, self.shape.head_width)
        for layer in self.model.layers:
            x = layer(x, tables, mask, cache)
        normed: Tensor = self.model.norm(x)
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        """Project hidden states onto the vocabulary."""
        return hidden @ self.model.embed_tokens.weight.T

    @property
    def parameter_count(self) -> int:
        """Number of weights, the tied embedding counted once."""
        return sum(parameter.numel() for parameter in self.parameters())


def causal_mask(length: int) -> Tensor:
    """Hide every later position."""
    return torch.full((length, length), HIDDEN_FROM_ATTENTION).triu(1)
