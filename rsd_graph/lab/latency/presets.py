"""Who is simulated: 1.5B/7B and 7B/72B on A100s and H100s, each with four ways to have a PRM."""

from __future__ import annotations

from dataclasses import replace

from rsd_graph.lab.latency.hardware import (
    A100,
    GPU,
    H100,
    MFU,
    QWEN_1_5B,
    QWEN_7B,
    QWEN_72B,
    QWEN_PRM_7B,
    SKYWORK_PRM_1_5B,
    Model,
    Preset,
    kv_tokens,
    serve,
    step_pooling,
)


def presets(mfu: float = MFU) -> dict[str, Preset]:
    """The presets, by name: 1.5B/7B and 7B/72B on A100s and on H100s.

    Their PRM is one of 7B that judges the last token, and so reads its prefix cache. With `-step`
    it stands behind step pooling, with `-prm1.5b` it is one of 1.5B; with `-shared` draft and PRM
    take turns on both their GPUs, a server of each on either.
    """
    found = [
        _preset(sizes, models, gpu, prm, mfu)
        for sizes, models in {
            "1.5b-7b": (QWEN_1_5B, QWEN_7B, 1),
            "7b-72b": (QWEN_7B, QWEN_72B, 4),
        }.items()
        for gpu in (A100, H100)
        for prm in ("", "-step", "-prm1.5b", "-shared")
    ]
    return {preset.name: preset for preset in found}


def base_and_variant(name: str) -> tuple[str, str]:
    """The preset of these models and GPUs, and what is different about this one's PRM."""
    parts = name.split("-", 3)
    return "-".join(parts[:3]), "".join(parts[3:])


def _preset(
    sizes: str, models: tuple[Model, Model, int], gpu: GPU, variant: str, mfu: float
) -> Preset:
    draft, target, target_gpus = models
    prm = serve(SKYWORK_PRM_1_5B if variant == "-prm1.5b" else QWEN_PRM_7B, gpu, mfu=mfu)
    preset = Preset(
        name=f"{sizes}-{gpu.name.split()[0].lower()}{variant}",
        hardware=f"{2 + target_gpus} x {gpu.name}",
        draft=serve(draft, gpu, mfu=mfu),
        target=serve(target, gpu, target_gpus, mfu),
        prm=step_pooling(prm) if variant == "-step" else prm,
    ).changed(lambda served: replace(served, api_processes=2), "draft", "prm")
    return _sharing(preset, gpu) if variant == "-shared" else preset


def _sharing(preset: Preset, gpu: GPU) -> Preset:
    tokens = kv_tokens([preset.draft.model, preset.prm.model], gpu, 1)
    on_both = preset.changed(
        lambda served: replace(served, replicas=2, kv_tokens=tokens), "draft", "prm"
    )
    return replace(on_both, shared=("draft", "prm"))
