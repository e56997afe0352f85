"""LangChain's client for OpenAI, and its standard suite for chat models, against our server."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("langchain_openai")
pytest.importorskip("langchain_tests")

from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from rsd_graph import ChatRSD
from tests.helpers.chat_support import RewardByText
from tests.server.conftest import Serve


@pytest.mark.filterwarnings(
    "ignore:Received a Pydantic BaseModel V1",  # the client falls back to a tool call
    "ignore:Pydantic serializer warnings",  # it serialises its own `parsed` field
)
class TestChatOpenAI(ChatModelIntegrationTests):
    """`ChatOpenAI` over HTTP; text is real llama.cpp's, tool calls are a fake chat API's."""

    @pytest.fixture(autouse=True)
    def served(self, serve: Serve, tool_server: str) -> None:
        model = f"llamacpp+{tool_server}#bigram"
        other = ChatRSD(
            draft=model.replace("#bigram", "#another-name"), target=model, prm=RewardByText()
        )
        stacks = {
            "math": ChatRSD(draft=model, target=model, prm=RewardByText()),
            "other": other,
        }
        self.url = serve(stacks).url

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": "math",
            "base_url": f"{self.url}/v1",
            "api_key": "none",
            "max_retries": 0,
            "stream_usage": True,  # off for any address but OpenAI's own
        }

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {"temperature": 0.0, "max_tokens": 100}

    @property
    def model_override_value(self) -> str:
        return "other"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return False
