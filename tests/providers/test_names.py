"""What models are called in traces and price lists."""

from __future__ import annotations

import pytest

from rsd_graph import ScriptedStepModel
from rsd_graph.providers.names import public_name
from rsd_graph.providers.registry import reward_model, step_model

VLLM = "vllm+http://gpu.internal:8000/v1#acme/large"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (VLLM, ("vllm", "acme/large")),
        (step_model(VLLM, "target"), ("vllm", "acme/large")),
        ("openai+https://key@host/v1#m", ("openai", "m")),
        ("chat+http://host/v1#m", ("chat", "m")),
        (step_model("chat+http://host/v1#m", "draft"), ("chat", "m")),
        ("llamacpp+http://host:8080?timeout=30", ("llamacpp", "llamacpp")),
        (step_model("llamacpp+http://host:8080", "draft"), ("llamacpp", "llamacpp")),
        ("embedded:draft", ("embedded", "draft")),
        ("embedded:/home/me/models/a.gguf?slots=2", ("embedded", "a.gguf")),
        (reward_model("qwen-prm+vllm+http://gpu:8000/v1#prm"), ("vllm", "prm")),
        (reward_model("judge+llamacpp+http://gpu:8000#judge"), ("llamacpp", "judge")),
        (ScriptedStepModel([]), ("ScriptedStepModel", "ScriptedStepModel")),
    ],
)
def test_a_model_is_named_without_its_host(model: object, name: tuple[str, str]) -> None:
    """By who serves it and what it is called there, from a string and from what that stands for."""
    assert public_name(model) == name
