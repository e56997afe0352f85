"""Two architectures for vLLM: process reward models as classifiers of the last token.

vLLM's own `Qwen2ForProcessRewardModel` gives a row for every step, and computes the whole prompt
anew for it: tokens that come from the prefix cache have no hidden states, so rows would be missing.
A prompt that is cut right after the newest step's tag needs one row only, that of its last token.
"""

ARCHITECTURES = {
    "Qwen2LastStepReward": "rsd_vllm_prm.models:Qwen2LastStepReward",
    "Qwen2LastStepValue": "rsd_vllm_prm.models:Qwen2LastStepValue",
}
"""Name, for `--hf-overrides '{"architectures": [...]}'`, and class.

The names are our own: vLLM hangs its step pooling on the name `Qwen2ForProcessRewardModel`.
"""


def register() -> None:
    """Make the architectures known; vLLM calls this in each of its processes."""
    from vllm import ModelRegistry

    for name, place in ARCHITECTURES.items():
        ModelRegistry.register_model(name, place)
