"""LangChain's standard unit tests for chat models."""

from __future__ import annotations

import pytest

pytest.importorskip("langchain_tests")

from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from rsd_graph import ChatRSD


class TestChatRSDUnit(ChatModelUnitTests):
    """`ChatRSD()` with LangChain's standard parameters."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatRSD

    @property
    def chat_model_params(self) -> dict[str, str]:
        return {
            "draft": "vllm+http://gpu:8000/v1#small",
            "target": "vllm+http://gpu:8000/v1#large",
            "prm": "vllm+http://gpu:8000/v1#prm",
        }

    @property
    def model_override_value(self) -> str:
        return "vllm+http://gpu:8000/v1#larger"
