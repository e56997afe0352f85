"""The doctor holds the servers of one endpoint against each other."""

from __future__ import annotations

from pathlib import Path

from rsd_graph import Endpoint
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.stacks.doctor import Check
from tests.conftest import Serve
from tests.helpers.bigram import TEMPLATE, write_bigram_model
from tests.helpers.doctor_support import BIGRAM, LIMITS, ONCE, diagnose


async def about(*servers: str) -> Check:
    hosts = ",".join(url.removeprefix("http://") for url in servers)
    wire = LlamaCppWire(Endpoint(f"http://{hosts}/v1", retry=ONCE))
    return (await diagnose(wire, BIGRAM, LIMITS))["replicas agree"]


async def test_servers_of_one_model_agree(
    llamacpp_server: Endpoint, serve_gguf: Serve, tmp_path: Path
) -> None:
    """Its names, its template and its greedy text are the same."""
    second = serve_gguf(write_bigram_model(tmp_path / "bigram.gguf"))

    check = await about(llamacpp_server.url, second.url)

    assert (check.verdict, check.detail) == ("pass", "2 servers, one answer")


async def test_a_server_of_another_model_is_named(
    llamacpp_server: Endpoint, serve_gguf: Serve, tmp_path: Path
) -> None:
    """Here the template differs; answers would change with the server they come from."""
    other = serve_gguf(write_bigram_model(tmp_path / "o.gguf", template=TEMPLATE + " "))

    check = await about(llamacpp_server.url, other.url)

    assert check.verdict == "fail"
    assert check.detail.startswith(f"{other.url}/v1 does not say what {llamacpp_server.url}/v1")


async def test_a_server_that_is_not_there_is_named(llamacpp_server: Endpoint) -> None:
    """RSD would go on without it."""
    check = await about(llamacpp_server.url, "http://127.0.0.1:9")

    assert check.verdict == "fail"
    assert check.detail.startswith("http://127.0.0.1:9/v1: no connection")
