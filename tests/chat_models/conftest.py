"""Servers for the tests of LangChain's interface."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rsd_graph import Endpoint
from tests.helpers.fake_tool_server import FakeToolServer, in_a_thread


@pytest.fixture(scope="session")
def tool_server(llamacpp_server: Endpoint) -> Iterator[str]:
    """The URL of a server that writes text as llama.cpp does and acts as a fake does."""
    with in_a_thread(FakeToolServer(llamacpp_server.url)) as server:
        yield server.url
