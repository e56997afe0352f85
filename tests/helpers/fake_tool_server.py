"""A server whose model is real llama.cpp for text and a fake for tools."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web

from tests.helpers.fake_endpoint import FakeEndpoint

CHAT = "/v1/chat/completions"


def chat_reply(content: str | None = None, *calls: tuple[str, Any], reason: str = "") -> Any:
    """An answer of the chat API: text, or calls as (name, arguments)."""
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}",
                "type": "function",
                "function": {
                    "name": name,
                    "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
                },
            }
            for number, (name, arguments) in enumerate(calls)
        ]
    return {
        "choices": [
            {"message": message, "finish_reason": reason or ("tool_calls" if calls else "stop")}
        ],
        "usage": {"prompt_tokens": 30, "completion_tokens": 7},
    }


class FakeToolServer(FakeEndpoint):
    """Calls the first tool it may call, then says it is done; obeys `response_format`.

    Args:
        text_server: A llama.cpp server that answers every other route.
    """

    def __init__(self, text_server: str) -> None:
        super().__init__({CHAT: self._act})
        self._text_server = text_server
        for path in ("/completion", "/apply-template", "/tokenize"):
            self._routes[path] = self._forward

    async def _forward(self, request: web.Request) -> web.Response:
        async with (
            aiohttp.ClientSession() as client,
            client.post(self._text_server + request.path, data=await request.read()) as answer,
        ):
            return web.json_response(await answer.json(), status=answer.status)

    async def _act(self, request: web.Request) -> web.Response:
        return web.json_response(_reply(await request.json()))


def _reply(body: Mapping[str, Any]) -> Any:
    last = body["messages"][-1]
    words = last["content"]
    if form := body.get("response_format"):
        schema = form.get("json_schema", {}).get("schema", _JOKE)
        return chat_reply(json.dumps(_value(schema, words)))
    choice = body.get("tool_choice", "auto")
    if not body.get("tools") or choice == "none" or last["role"] == "tool":
        return chat_reply("Done.")
    tools = {tool["function"]["name"]: tool["function"] for tool in body["tools"]}
    name = choice["function"]["name"] if isinstance(choice, dict) else next(iter(tools))
    return chat_reply(None, (name, _value(tools[name]["parameters"], words)))


_JOKE = {
    "type": "object",
    "properties": {"setup": {"type": "string"}, "punchline": {"type": "string"}},
}


def _value(schema: Mapping[str, Any], words: str) -> Any:
    """Some value of this schema; strings are what the question quotes."""
    if schema.get("type") == "object":
        return {key: _value(part, words) for key, part in schema.get("properties", {}).items()}
    if schema.get("type") in ("integer", "number"):
        return 3
    if schema.get("type") == "array":
        return []
    quoted = re.search(r"'([^']+)'", words)
    return quoted.group(1) if quoted else "something"


@contextmanager
def in_a_thread(server: FakeEndpoint) -> Iterator[FakeEndpoint]:
    """Serve from a thread, for tests that have no event loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
