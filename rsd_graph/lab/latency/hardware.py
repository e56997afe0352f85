"""What the latency simulation believes about GPUs, models and servers, and who published it.

One forward pass of a batch takes

    pass_ms + max(weights_ms, tokens * token_ms) + context_tokens * context_ms

(kernel launches and scheduling; reading the weights or computing, whichever is slower; reading the
KV cache). Each number is *published*, *derived* from published ones, or *assumed*:

* Qwen: "Qwen2.5 Speed Benchmark" (QwenLM/Qwen2.5, docs/source/benchmark/speed_benchmark.rst): BF16,
  vLLM 0.6.3, A100 80 GB, batch 1, input length 1: 1.5B 183.33, 7B 84.28, 72B on 4 GPUs 31.37
  tokens/s; published.
* InferenceBench: concurrency-sweep recipe (yobitelcomm.github.io/bench): Llama-3.1-8B fp16,
  vLLM 0.21, one H100 80 GB, concurrency 1: 6.48 ms per token, first token after 13.98 ms;
  published.
* Peak rates and memory: NVIDIA's data sheets, dense BF16; published.
* Sizes: the models' own config.json and model cards: parameters with and without embeddings,
  layers, KV heads and their width; BF16; published.

Derived: the two A100 rows of 28 layers (1.5B, 7B) fix the pass overhead (3.81 ms) and the share of
the peak bandwidth reached (0.93). On the H100 the same share leaves 1.33 ms of overhead for 32
layers. The 72B row, 80 layers on 4 GPUs, leaves 12.66 ms: 1.163 times as much per layer, the price
of joining results. A request costs 7.5 ms before its first pass: InferenceBench's first token less
one pass; taken for A100 servers too.

Assumed, and swept by `rsd-graph bench`:

* A pass reaches half of the peak FLOP/s (`MFU`).
* A request occupies one API process of its server for 3 ms (`API_MS`), and for 2 us for every token
  of its prompts. vLLM starts one such process; the presets' drafts and PRMs have two
  (`--api-server-count 2`). For comparison: a real vLLM 0.32 with a tiny model answered 171 pooling
  requests/s on a shared CPU, 5.8 ms for everything.

Assumed, not swept: 90 % of a GPU's memory is used, 3 GB of it for activations; the L40S has the
A100's overheads, the H200 the H100's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rsd_graph.errors import Role

MFU = 0.5
API_MS = 3.0
_API_TOKEN_MS = 0.002
_BANDWIDTH_SHARE = 0.93
_REQUEST_MS = 7.5
_JOINING = 1.163
MEMORY_SHARE = 0.9
"""Of a GPU's memory, what a server may use."""
_ACTIVATIONS_GB = 3


@dataclass(frozen=True, slots=True)
class GPU:
    """A GPU's published memory and peak rates, and vLLM's overhead on it (derived, see above)."""

    name: str
    memory_gb: float
    gb_per_s: float
    tflops: float
    layer_ms: float
    """Overhead of one pass for each layer."""
    batched_tokens: int
    """vLLM's default `max_num_batched_tokens` of an API server (`arg_utils.py`)."""
    max_seqs: int
    """vLLM's default `max_num_seqs` (`arg_utils.py`)."""


A100 = GPU("A100 80GB SXM", 80, 2039, 312, 3.81 / 28, batched_tokens=2048, max_seqs=256)
H100 = GPU("H100 80GB SXM", 80, 3350, 989, 1.33 / 32, batched_tokens=8192, max_seqs=1024)
H200 = GPU("H200 141GB SXM", 141, 4800, 989, 1.33 / 32, batched_tokens=8192, max_seqs=1024)
L40S = GPU("L40S 48GB", 48, 864, 362, 3.81 / 28, batched_tokens=2048, max_seqs=256)
GPUS = {gpu.name.split()[0].lower(): gpu for gpu in (A100, H100, H200, L40S)}
"""By short name."""


@dataclass(frozen=True, slots=True)
class Model:
    """Its size: billions of parameters (all; without embeddings), KV bytes a token, and depth."""

    name: str
    parameters: float
    computed: float
    layers: int
    heads: int
    kv_bytes: int


def qwen(
    name: str, parameters: float, computed: float, layers: int, kv_width: int, heads: int
) -> Model:
    """A model like Qwen's: *kv_width* is KV heads times their width, keys and values in BF16."""
    return Model(name, parameters, computed, layers, heads, layers * kv_width * 2 * 2)


QWEN_1_5B = qwen("Qwen2.5-Math-1.5B", 1.54, 1.31, 28, 2 * 128, 12)
QWEN_7B = qwen("Qwen2.5-Math-7B", 7.61, 6.53, 28, 4 * 128, 28)
QWEN_72B = qwen("Qwen2.5-Math-72B", 72.7, 70.0, 80, 8 * 128, 64)
QWEN_PRM_7B = qwen("Qwen2.5-Math-PRM-7B", 7.08, 6.53, 28, 4 * 128, 28)
SKYWORK_PRM_1_5B = qwen("Skywork-o1-Open-PRM-Qwen-2.5-1.5B", 1.54, 1.31, 28, 2 * 128, 12)


@dataclass(frozen=True, slots=True)
class Served:
    """One model on its GPUs, as the simulator sees it. Times in milliseconds.

    Attributes:
        gpus: Of each replica.
        kv_tokens: How many tokens fit into the KV cache of a replica.
        prefix_cache: Off for step pooling, which computes every prompt anew and whole.
        api_processes: Of each replica.
        replicas: Servers of this model; every request of an answer goes to the same one.
    """

    model: Model
    gpus: int
    pass_ms: float
    weights_ms: float
    token_ms: float
    context_ms: float
    kv_tokens: int
    max_seqs: int
    batched_tokens: int
    prefix_cache: bool = True
    request_ms: float = _REQUEST_MS
    api_ms: float = API_MS
    api_token_ms: float = _API_TOKEN_MS
    api_processes: int = 1
    replicas: int = 1

    def pass_time(self, tokens: int, context_tokens: int) -> float:
        """Milliseconds of one forward pass over *tokens*, attending to *context_tokens* in all."""
        work = max(self.weights_ms, tokens * self.token_ms)
        return self.pass_ms + work + context_tokens * self.context_ms

    def on(self, gpus: int) -> Served:
        """The same on another number of GPUs, sharing all work ideally: no cost to join results."""
        share = self.gpus / gpus
        return replace(
            self,
            gpus=gpus,
            weights_ms=self.weights_ms * share,
            token_ms=self.token_ms * share,
            context_ms=self.context_ms * share,
            kv_tokens=round(self.kv_tokens / share),
        )

    def free(self) -> Served:
        """The same if it cost no time at all."""
        server = replace(self, request_ms=0.0, api_ms=0.0, api_token_ms=0.0)
        return replace(server, pass_ms=0.0, weights_ms=0.0, token_ms=0.0, context_ms=0.0)


def serve(model: Model, gpu: GPU, gpus: int = 1, mfu: float = MFU) -> Served:
    """Put *model* on GPUs of a kind that nobody else uses."""
    bytes_per_ms = gpu.gb_per_s * 1e6 * _BANDWIDTH_SHARE * gpus
    flops_per_ms = gpu.tflops * 1e9 * mfu * gpus
    return Served(
        model=model,
        gpus=gpus,
        pass_ms=model.layers * gpu.layer_ms * (1 if gpus == 1 else _JOINING),
        weights_ms=2e9 * model.parameters / bytes_per_ms,
        token_ms=2e9 * model.computed / flops_per_ms,
        context_ms=model.kv_bytes / bytes_per_ms,
        kv_tokens=kv_tokens([model], gpu, gpus),
        max_seqs=gpu.max_seqs,
        batched_tokens=gpu.batched_tokens,
    )


def kv_tokens(models: list[Model], gpu: GPU, gpus: int) -> int:
    """Tokens of KV cache that each of *models* gets where all of them share *gpus*; 0 if none."""
    used = 2 * sum(model.parameters for model in models)
    left = gpus * (gpu.memory_gb * MEMORY_SHARE - _ACTIVATIONS_GB * len(models)) - used
    return max(0, int(1e9 * left / sum(model.kv_bytes for model in models)))


def memory_gb(served: Served) -> float:
    """Of one replica on all its GPUs: weights, activations and the KV cache."""
    cache = 1e-9 * served.kv_tokens * served.model.kv_bytes
    return 2 * served.model.parameters + _ACTIVATIONS_GB * served.gpus + cache


@dataclass(frozen=True, slots=True)
class Preset:
    """Three served models; those that are *shared* take turns on the same GPUs."""

    name: str
    hardware: str
    draft: Served
    target: Served
    prm: Served
    shared: tuple[Role, ...] = ()

    @property
    def roles(self) -> dict[Role, Served]:
        """All three, by role."""
        return {"draft": self.draft, "target": self.target, "prm": self.prm}

    def changed(self, change: Callable[[Served], Served], *roles: Role) -> Preset:
        """The same with *roles* (all three, if none is named) changed."""
        found = {
            role: change(served) if not roles or role in roles else served
            for role, served in self.roles.items()
        }
        return replace(self, draft=found["draft"], target=found["target"], prm=found["prm"])

    @property
    def gpus(self) -> int:
        """GPUs of all three."""
        together = [self.roles[role] for role in self.shared[:1]]
        alone = [served for role, served in self.roles.items() if role not in self.shared]
        return sum(served.gpus * served.replicas for served in together + alone)


def step_pooling(served: Served) -> Served:
    """A PRM behind vLLM's step pooling: no prefix cache, and whole prompts of up to 4,096."""
    return replace(served, prefix_cache=False, batched_tokens=max(4096, served.batched_tokens))
