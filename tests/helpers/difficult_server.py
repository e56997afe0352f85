"""A server whose streams a test writes byte by byte, stalls and drops."""

from __future__ import annotations

import json
import queue
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rsd_graph.viewer.page import chat_page


class Difficult(ThreadingHTTPServer):
    """A fake: a server whose stream the test writes, byte by byte; `None` drops the connection."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.written: queue.Queue[bytes | None] = queue.Queue()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def say(self, **chunk: Any) -> None:
        """Send one event."""
        self.written.put(b"data: " + json.dumps({"choices": [], **chunk}).encode() + b"\n\n")

    def event(self, kind: str, index: int, **facts: Any) -> None:
        """Send an event of the graph."""
        self.say(rsd={"event": {"type": kind, "index": index, **facts}})

    def drop(self) -> None:
        """End the connection without a word."""
        self.written.put(None)


class _Handler(BaseHTTPRequestHandler):
    server: Difficult

    def do_GET(self) -> None:
        is_page = self.path == "/"
        body = chat_page() if is_page else json.dumps({"data": [{"id": "math"}]})
        self._begin("text/html; charset=utf-8" if is_page else "application/json")
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._begin("text/event-stream")
        while (piece := self.server.written.get()) is not None:
            self.wfile.write(piece)
            self.wfile.flush()

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
