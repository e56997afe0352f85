"""LangChain's standard integration tests for chat models, over HTTP on loopback."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("langchain_tests")

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests

from rsd_graph import ChatRSD
from tests.helpers.chat_support import RewardByText


class TestChatRSDIntegration(ChatModelIntegrationTests):
    """Text is written by a real llama.cpp server; tool calls are a fake server's."""

    @pytest.fixture(autouse=True)
    def spec(self, tool_server: str) -> None:
        self.served = f"llamacpp+{tool_server}#bigram"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatRSD

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"draft": self.served, "target": self.served, "prm": RewardByText()}

    @property
    def model_override_value(self) -> str:
        return self.served.replace("#bigram", "#another-name")

    @property
    def supports_json_mode(self) -> bool:
        return True


class TestEmbeddedIntegration(ChatModelIntegrationTests):
    """The shipped models; they were not trained to call tools."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatRSD

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {role: f"embedded:{role}" for role in ("draft", "target", "prm")}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def model_override_value(self) -> str:
        return "embedded:draft"
