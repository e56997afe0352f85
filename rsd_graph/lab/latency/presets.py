"""Who is simulated: 1.5B/7B and 7B/72B on A100s and H100s, each with five ways to have a PRM."""

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
    take turns on both their GPUs, a server of each on either. With `-packed` the draft and a PRM of
    1.5B take turns on one GPU, and the target has one more: it shares its work ideally, as the
    target alone does on all the GPUs.
    """
    found = [
        _preset(sizes, models, gpu, prm, mfu)
        for sizes, models in {
            "1.5b-7b": (QWEN_1_5B, QWEN_7B, 1),
            "7b-72b": (QWEN_7B, QWEN_72B, 4),
        }.items()
        for gpu in (A100, H100)
        for prm in ("", "-step", "-prm1.5b", "-shared", "-packed")
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
    prm = serve(
        SKYWORK_PRM_1_5B if variant in ("-prm1.5b", "-packed") else QWEN_PRM_7B, gpu, mfu=mfu
    )
    preset = Preset(
        name=f"{sizes}-{gpu.name.split()[0].lower()}{variant}",
        hardware=f"{2 + target_gpus} x {gpu.name}",
        draft=serve(draft, gpu, mfu=mfu),
        target=serve(target, gpu, target_gpus, mfu),
        prm=step_pooling(prm) if variant == "-step" else prm,
    ).changed(lambda served: replace(served, api_processes=2), "draft", "prm")
    if variant == "-packed":
        return replace(_sharing(preset, gpu, 1), target=preset.target.on(target_gpus + 1))
    return _sharing(preset, gpu, 2) if variant == "-shared" else preset


def _sharing(preset: Preset, gpu: GPU, gpus: int) -> Preset:
    tokens = kv_tokens([preset.draft.model, preset.prm.model], gpu, 1)
    on_each = preset.changed(
        lambda served: replace(served, replicas=gpus, kv_tokens=tokens), "draft", "prm"
    )
    return replace(on_each, shared=("draft", "prm"))
