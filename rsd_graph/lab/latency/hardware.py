"""What the latency simulation believes about GPUs and models, and who published it.

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
* Peak rates: NVIDIA's data sheets, SXM, dense BF16: A100 312 TFLOP/s and 2,039 GB/s, H100
  989 TFLOP/s and 3,350 GB/s; published.
* Sizes: the models' own config.json and model cards (Qwen2.5): parameters with and without
  embeddings, layers, KV heads of 128; BF16; published.

Derived: the two A100 rows (1.5B, 7B) fix the pass overhead (3.81 ms) and the share of the peak
bandwidth reached (0.93). On the H100 the same share leaves 1.33 ms of overhead for the 8B row. The
72B row on 4 GPUs leaves 12.66 ms for launches and all-reduces, scaled down on the H100 like the
single-GPU overhead. A request costs 7.5 ms before its first pass: InferenceBench's first token less
one pass; taken for A100 servers too.

Assumed: prefill reaches half of the peak FLOP/s (`MFU`); `rsd-graph bench` shows how the results
move with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MFU = 0.5
_BANDWIDTH_SHARE = 0.93
_REQUEST_MS = 7.5


@dataclass(frozen=True, slots=True)
class GPU:
    """A GPU's published peak rates, and vLLM's overhead of one pass on it (derived, see above)."""

    name: str
    gb_per_s: float
    tflops: float
    pass_ms: float
    pass_ms_on_4: float
    batched_tokens: int
    """vLLM's default `max_num_batched_tokens` of an API server (`arg_utils.py`)."""
    max_seqs: int
    """vLLM's default `max_num_seqs` (`arg_utils.py`)."""


A100 = GPU("A100 80GB SXM", 2039, 312, 3.81, 12.66, batched_tokens=2048, max_seqs=256)
H100 = GPU("H100 80GB SXM", 3350, 989, 1.33, 4.42, batched_tokens=8192, max_seqs=1024)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's published size: billions of parameters (all; without embeddings), KV bytes."""

    name: str
    parameters: float
    computed: float
    kv_bytes: int


QWEN_1_5B = Model("Qwen2.5-Math-1.5B", 1.54, 1.31, 28 * 2 * 2 * 128 * 2)
QWEN_7B = Model("Qwen2.5-Math-7B", 7.61, 6.53, 28 * 4 * 2 * 128 * 2)
QWEN_72B = Model("Qwen2.5-Math-72B", 72.7, 70.0, 80 * 8 * 2 * 128 * 2)
QWEN_PRM_7B = Model("Qwen2.5-Math-PRM-7B", 7.08, 6.53, 28 * 4 * 2 * 128 * 2)


@dataclass(frozen=True, slots=True)
class Served:
    """One model on its GPUs, as the simulator sees it. Times in milliseconds."""

    model: Model
    gpus: int
    pass_ms: float
    weights_ms: float
    token_ms: float
    context_ms: float
    request_ms: float
    max_seqs: int
    batched_tokens: int

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
        )


def serve(model: Model, gpu: GPU, gpus: int = 1, mfu: float = MFU) -> Served:
    """Put *model* on 1 or 4 GPUs of a kind."""
    bytes_per_ms = gpu.gb_per_s * 1e6 * _BANDWIDTH_SHARE * gpus
    flops_per_ms = gpu.tflops * 1e9 * mfu * gpus
    return Served(
        model=model,
        gpus=gpus,
        pass_ms=gpu.pass_ms if gpus == 1 else gpu.pass_ms_on_4,
        weights_ms=2e9 * model.parameters / bytes_per_ms,
        token_ms=2e9 * model.computed / flops_per_ms,
        context_ms=model.kv_bytes / bytes_per_ms,
        request_ms=_REQUEST_MS,
        max_seqs=gpu.max_seqs,
        batched_tokens=gpu.batched_tokens,
    )


@dataclass(frozen=True, slots=True)
class Preset:
    """Three served models."""

    name: str
    hardware: str
    draft: Served
    target: Served
    prm: Served

    @property
    def gpus(self) -> int:
        """GPUs of all three."""
        return self.draft.gpus + self.target.gpus + self.prm.gpus


def presets(mfu: float = MFU) -> dict[str, Preset]:
    """The four presets, by name: 1.5B/7B and 7B/72B with a 7B PRM, on A100s and on H100s."""
    found = [
        _preset(sizes, models, gpu, mfu)
        for sizes, models in {
            "1.5b-7b": (QWEN_1_5B, QWEN_7B, 1),
            "7b-72b": (QWEN_7B, QWEN_72B, 4),
        }.items()
        for gpu in (A100, H100)
    ]
    return {preset.name: preset for preset in found}


def _preset(sizes: str, models: tuple[Model, Model, int], gpu: GPU, mfu: float) -> Preset:
    draft, target, target_gpus = models
    return Preset(
        name=f"{sizes}-{gpu.name.split()[0].lower()}",
        hardware=f"{2 + target_gpus} x {gpu.name}",
        draft=serve(draft, gpu, mfu=mfu),
        target=serve(target, gpu, target_gpus, mfu),
        # Step pooling runs without chunked prefill: a pass takes whole prompts of up to 4,096.
        prm=replace(serve(QWEN_PRM_7B, gpu, mfu=mfu), batched_tokens=max(4096, gpu.batched_tokens)),
    )
