"""Input that would break out of its line in the log, paint the terminal or forge an event (OWASP ASVS 5.0 §16.4.1)."""

from __future__ import annotations

import json
import socket
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from idp.web.log import FIELDS
from tests.support.builders import add_portal
from tests.support.ports import five_free_ports
from tests.support.served import RemotePerson, granian, inside, installation

LEVELS = {"debug", "info", "warning", "error", "critical"}
FORGED = '{"event": "forged", "level": "critical"}'
HOSTILE = [
    f"\r\n{FORGED}\r\n", f"\n{FORGED}\n", f"\u2028{FORGED}\u2028", f"\u2029{FORGED}", f"\x85{FORGED}", f"\x0b{FORGED}",
    "\x1b[2J\x1b[31mroot\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "\x00", "\x08\x08\x08", "\x7f", "\u202eesrever",
    '"}\n' + FORGED, '\\", "level": "critical', "%0d%0a" + FORGED, "{{7*7}}", "${jndi:ldap://x.example.ch}", "%s%n%d",
]  # fmt: skip


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The log after hostile paths, queries, headers, cookies, methods, fields and addresses."""
    folder = tmp_path_factory.mktemp("log")
    issuer = f"http://localhost:{five_free_ports()}"
    environ = installation(folder, issuer, CONNECT_LOG_LEVEL="debug")
    with inside(environ):
        add_portal()
        server = granian(environ, folder / "web.log", None, "--access-log", "--log-level", "debug")
        try:
            for value in HOSTILE:
                attack(issuer, value)
        finally:
            server.stop()
    return written(folder / "web.log")


def written(path: Path) -> list[str]:
    """Physical lines: whatever some viewer may take for the end of one counts."""
    return [line for line in path.read_bytes().decode().splitlines() if not line.startswith("[INFO] ")]


def attack(issuer: str, value: str) -> None:
    person = RemotePerson(issuer)
    person.open("/cpx/login")
    person.submit(email=value, password=value)
    person.open("/cpx/login")  # a NUL was answered with a page of its own
    person.submit(email=f"helene{value}@example.ch", password=value, nonce=value, csrf_token=value)
    for path in (f"/{quote(value)}", f"/cpx/login?f={quote(value)}", f"/authorize?client_id={quote(value)}"):
        person.open(path)
    raw = value.encode()
    for head in (
        b"GET /" + raw + b" HTTP/1.1",
        b"GET /cpx/login HTTP/1.1\r\nUser-Agent: " + raw,
        b"GET /cpx/login HTTP/1.1\r\nCookie: connect_session=" + raw,
        b"GET /userinfo HTTP/1.1\r\nAuthorization: Bearer " + raw,
        b"G" + raw + b" /cpx/login HTTP/1.1",
        b"POST /token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\nX: " + raw,
    ):
        say(issuer, head)


def say(issuer: str, head: bytes) -> None:
    """A request with bytes that no client library would send."""
    parts = urlsplit(issuer)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=10) as line:
        line.sendall(head + f"\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\ngrant=xxx".encode())
        try:
            while line.recv(65536):
                pass
        except ConnectionError:
            pass  # refused before it was read to its end


def test_every_line_is_one_event(lines: list[str]) -> None:
    assert len(lines) > 100
    for line in lines:
        fields = json.loads(line)
        assert fields["event"] != "forged"
        assert line.isascii()
        assert line.isprintable()


def test_every_line_keeps_to_the_schema(lines: list[str]) -> None:
    for line in lines:
        fields = json.loads(line)
        assert set(fields) <= FIELDS, line
        assert {"event", "level", "logger", "timestamp"} <= set(fields)
        assert fields["level"] in LEVELS
        assert datetime.fromisoformat(fields["timestamp"]).utcoffset() == timedelta(0)
        if fields["logger"] == "connect.access":
            assert len(fields["request_id"]) == 32
            assert {"method", "rule", "status_code", "ms"} <= set(fields)


def test_requests_that_reached_us_are_all_there(lines: list[str]) -> None:
    events = [json.loads(line) for line in lines]
    assert sum(event["event"] == "request" for event in events) > 6 * len(HOSTILE)
    assert {"token_refused", "error_page"} <= {event["event"] for event in events}
    assert not [event for event in events if event["event"] == "fault"]  # hostile input is nobody's fault of ours
