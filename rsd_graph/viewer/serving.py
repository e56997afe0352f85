"""The page of large files, for browsers on this machine alone: it asks for what it shows."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rsd_graph.errors import InputError
from rsd_graph.viewer.large import LargeFile
from rsd_graph.viewer.page import served_page

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer; the page itself holds the rest of its policy."""


class PageServer(ThreadingHTTPServer):
    """Serves the page, and the answers of *files* to whoever holds the token in `url`.

    It listens on loopback only, answers GET only, and only to requests that call it by a loopback
    name: no other page in the browser can ask it, by any name.
    """

    daemon_threads = True

    def __init__(self, files: Sequence[LargeFile], title: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.page = served_page(title).encode()
        self.token = secrets.token_urlsafe(16)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def url(self) -> str:
        """Where the page is. The token stands in the fragment, which browsers do not send."""
        return f"http://127.0.0.1:{self.server_port}/#token={self.token}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that leaves before it has read all is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def file_list(self) -> list[dict[str, object]]:
        """What there is to ask for."""
        names = ("name", "size", "conditions", "remarks")
        return [{name: getattr(file, name) for name in names} for file in self.files]


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The page, or a part of what it shows."""
        if self.headers.get("Host") not in self.server.hosts:
            self._send(403, "text/plain", b"This host name is not served here.")
        elif self.path == "/":
            self._send(200, "text/html; charset=utf-8", self.server.page)
        elif not self._holds_token():
            self._send_json(401, {"error": "The token is missing or wrong."})
        else:
            self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged: addresses tell what somebody looked at."""

    def _holds_token(self) -> bool:
        said = self.headers.get("Authorization", "")
        return secrets.compare_digest(said.encode(), f"Bearer {self.server.token}".encode())

    def _answer(self) -> None:
        asked = self._asked()
        if asked is None:
            self._send_json(404, {"error": "There is no such thing here."})
            return
        try:
            self._send_json(200, asked())
        except InputError as error:
            self._send_json(422, {"error": str(error)})

    def _asked(self) -> Callable[[], object] | None:
        """What the path names, if it names anything."""
        if self.path == "/files":
            return self.server.file_list
        place = re.fullmatch(r"/files/(\d{1,3})/(rows|answers)/(\d{1,9})", self.path)
        if place is None or int(place[1]) >= len(self.server.files):
            return None
        file, number = self.server.files[int(place[1])], int(place[3])
        if number >= file.size:
            return None
        return lambda: file.rows(number) if place[2] == "rows" else file.answer(number)

    def _send_json(self, status: int, value: object) -> None:
        self._send(status, "application/json", json.dumps(value, default=str).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
