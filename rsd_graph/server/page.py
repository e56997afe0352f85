"""`GET /`: the chat box. It holds no secret; it asks with the key that is typed into it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rsd_graph.viewer.page import chat_page
from rsd_graph.viewer.serving import HEADERS


async def chat_box(request: Request) -> Response:
    """The page, sealed by its own policy."""
    return HTMLResponse(chat_page(), headers=HEADERS)
