"""A portal's own web server: serves what it was told to, over TLS, and keeps what it was asked and sent."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.support.authority import Authority


@dataclass
class Page:
    """One answer. `trickle` sends the rest of the body one byte at a time with this pause, for ever."""

    body: bytes = b""
    content_type: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    trickle: Callable[[], None] | None = None

    @classmethod
    def of(cls, document: Any, **more: Any) -> Page:
        return cls(json.dumps(document).encode(), **more)


@dataclass
class PortalServer:
    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    got_form: threading.Event = field(default_factory=threading.Event)
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)  # headers and body as they came

    def url(self, path: str, host: str = "localhost") -> str:
        return f"https://{host}:{self.port}{path}"


def _handler(portal: PortalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            portal.asked.append(self.path)
            page = portal.pages.get(self.path, Page(status=404))
            self.send_response(page.status)
            for name, value in {"Content-Type": page.content_type, **page.headers}.items():
                self.send_header(name, value)
            if page.trickle is None:
                self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)
            with suppress(OSError):
                while page.trickle is not None:
                    page.trickle()
                    self.wfile.write(b" ")

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            portal.messages.append(({name.lower(): value for name, value in self.headers.items()}, raw))
            body = raw.decode()
            portal.forms.append({**parse_qs(body, keep_blank_values=True), ":path": [self.path]})
            portal.forms[-1][":type"] = [self.headers.get("Content-Type", "")]
            self.do_GET()
            portal.got_form.set()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test says what was asked."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), BaseHTTPRequestHandler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Refused handshakes are what some tests are about."""


@contextmanager
def serving(authority: Authority | None, *hosts: str) -> Iterator[PortalServer]:
    """A server with a certificate for these hosts; without an authority it speaks plain HTTP."""
    server = _Server(authority.issue(*hosts).server_context() if authority else None)
    portal = PortalServer(server.server_address[1])
    server.RequestHandlerClass = _handler(portal)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield portal
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class Canary:
    """A listener that nobody may touch."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_server((host, 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def was_touched(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()
