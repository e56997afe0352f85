"""The app inside somebody else's."""

from __future__ import annotations

import httpx
import pytest

pytest.importorskip("fastapi")

from fastapi import FastAPI

from rsd_graph.server import Access, Catalog, ServerOptions, create_app
from tests.server.conftest import stack


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/rsd/health", None, 200),
        ("/rsd/v1/models", None, 401),
        ("/rsd/v1/models", "key", 200),
        ("/rsd/metrics", None, 401),
        ("/own", None, 200),
    ],
)
async def test_mounted_in_fastapi(path: str, key: str | None, status: int) -> None:
    """Its routes answer below that path, its guard lets in the same requests, and only to it."""
    own = FastAPI()
    own.get("/own")(lambda: "ours")
    options = ServerOptions(Access(keys=("key",)))
    own.mount("/rsd", create_app(Catalog({"math": stack()}), options))
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(own), base_url="http://a", headers=headers
    ) as client:
        response = await client.get(path)

    assert response.status_code == status
