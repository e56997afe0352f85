"""LiteLLM in an environment of its own: a client, and a proxy in front of `rsd-graph serve`."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from rsd_graph import ChatRSD
from rsd_graph.embedded.task import held_out_problems
from tests.live.servers import free_port

pytestmark = pytest.mark.live

SERVE = [sys.executable, "-c", "from rsd_graph.cli import main; main()", "serve", "--port", "0"]
QUESTION: Any = [{"role": "user", "content": held_out_problems(1)[0].question}]
KEY = f"sk-{secrets.token_hex(16)}"
QUIET = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # it would ask the internet

CLIENT = """
import json, sys
from litellm import completion
asked = json.loads(sys.argv[1])
whole = completion(**asked)
parts = list(completion(**asked, stream=True, stream_options={"include_usage": True}))
text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
print(json.dumps([whole.choices[0].message.content, text, whole.usage.total_tokens]))
"""


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process until the end of the block."""
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """Our server with the shipped models."""
    with running(SERVE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        (url,) = re.findall(r"http://\S+", process.stderr.readline())
        yield url


@pytest.fixture(scope="module")
def proxy(served: str, venvs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """LiteLLM's proxy in front of it, with the settings that the docs give."""
    told = {"model": "openai/rsd-shipped", "api_base": served, "api_key": "none"}
    models = [{"model_name": "math", "litellm_params": told}]
    config = tmp_path_factory.mktemp("litellm") / "config.yaml"  # JSON is YAML
    config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": KEY}}))
    port = str(free_port())
    command = [str(venvs / "litellm" / "bin" / "litellm"), "--config", str(config)]
    with running([*command, "--host", "127.0.0.1", "--port", port], env=QUIET):
        _wait_for(f"http://127.0.0.1:{port}/health/liveliness")
        yield f"http://127.0.0.1:{port}/v1"


def _wait_for(url: str) -> None:
    ready = retry_if_exception_type(httpx2.HTTPError)
    for attempt in Retrying(stop=stop_after_delay(300), wait=wait_fixed(0.5), retry=ready):
        with attempt:
            httpx2.get(url).raise_for_status()


def asked_by_litellm(venvs: Path, **asked: Any) -> list[Any]:
    """Text, streamed text and all tokens of one answer."""
    python = str(venvs / "litellm" / "bin" / "python")
    said = json.dumps({"messages": QUESTION, "seed": 1, **asked})
    ran = subprocess.run(
        [python, "-c", CLIENT, said], capture_output=True, check=True, text=True, env=QUIET
    )
    found: list[Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def expected() -> list[Any]:
    """The same of `ChatRSD`."""
    alone = ChatRSD().invoke(QUESTION, seed=1)
    assert alone.usage_metadata is not None
    return [alone.text, alone.text, alone.usage_metadata["total_tokens"]]


def test_as_a_client(served: str, venvs: Path) -> None:
    """Whole and streamed, with every token counted."""
    found = asked_by_litellm(venvs, model="openai/rsd-shipped", api_base=served, api_key="none")

    assert found == expected()


def test_as_client_and_proxy(proxy: str, venvs: Path) -> None:
    """From LiteLLM through LiteLLM."""
    found = asked_by_litellm(venvs, model="openai/math", api_base=proxy, api_key=KEY)

    assert found == expected()


def test_openais_client_through_the_proxy(proxy: str) -> None:
    """One chunk a step, and our own object both ways."""
    with openai.OpenAI(base_url=proxy, api_key=KEY, max_retries=0) as client:
        asked: Any = {"model": "math", "messages": QUESTION, "seed": 1}
        chunks = list(client.chat.completions.create(**asked, stream=True))
        answer = client.chat.completions.create(
            **asked, extra_body={"rsd": {"include": ["trace", "ledger"]}}
        )

    told = (answer.model_extra or {})["rsd"]
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert len([text for text in texts if text]) == len(told["steps"])
    assert told["ledger"]["drafted_steps"] == len(told["steps"])


def test_a_refusal_through_the_proxy(proxy: str) -> None:
    """It stays a 400 that names what is wrong."""
    with (
        openai.OpenAI(base_url=proxy, api_key=KEY, max_retries=0) as client,
        pytest.raises(openai.BadRequestError, match="logprobs is not supported"),
    ):
        client.chat.completions.create(model="math", messages=QUESTION, logprobs=True)
