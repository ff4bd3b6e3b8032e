"""The one door for HTTP out: the resolved address is checked and pinned, no redirects, time and size are capped."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

LARGEST_ANSWER = 64 * 1024
SILENCE_S = 10  # for a connection, for a handshake, and between two signs of life
WHOLE_S = 20  # from the question to the last byte of the answer, however slowly they come
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class OutgoingRefused(Exception):
    """The address is one we do not talk to."""


class OutgoingFailed(Exception):
    """No usable answer came; the message is the class of the cause."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = field(repr=False)


def post(url: str, body: bytes, headers: dict[str, str], *, ca_file: Path | None = None) -> Answer:
    """POST to a configured address. Raises `OutgoingRefused` or `OutgoingFailed`."""
    parts = urlsplit(url)
    addresses = _checked_addresses(parts.hostname or "", _port(parts))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {**headers, "Host": parts.netloc.rpartition("@")[2]}
    for address in addresses[:-1]:
        with suppress(urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
            return _exchange(_connection(parts, address, ca_file), target, body, headers)
    try:
        return _exchange(_connection(parts, addresses[-1], ca_file), target, body, headers)
    except urllib3.exceptions.HTTPError as error:
        raise OutgoingFailed(type(error).__name__) from None


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _connection(parts: SplitResult, address: str, ca_file: Path | None) -> HTTPConnection:
    """To this very address; the certificate is checked against the name."""
    if parts.scheme != "https":
        return HTTPConnection(address, _port(parts), timeout=SILENCE_S)
    return HTTPSConnection(
        address, _port(parts), timeout=SILENCE_S, cert_reqs="CERT_REQUIRED", server_hostname=parts.hostname,
        ca_certs=str(ca_file) if ca_file else None,
    )  # fmt: skip


def _exchange(connection: HTTPConnection, target: str, body: bytes, headers: dict[str, str]) -> Answer:
    """Lets through what says that no connection came about, so that another address may be tried."""
    try:
        connection.connect()
    except OSError as error:  # a handshake that failed; a connection that did not come about is no OSError here
        connection.close()
        raise OutgoingFailed(type(error).__name__) from None
    with _Deadline(connection.sock) as deadline:
        try:
            connection.request("POST", target, body, headers, preload_content=False, decode_content=False)
            answer = connection.getresponse()
            content = answer.read(LARGEST_ANSWER + 1)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise OutgoingFailed("Deadline" if deadline.has_passed else type(error).__name__) from None
        finally:
            connection.close()
    if deadline.has_passed:  # an answer without a length looks whole wherever it is cut
        raise OutgoingFailed("Deadline")
    if len(content) > LARGEST_ANSWER:
        raise OutgoingFailed("AnswerTooLarge")
    return Answer(answer.status, content)


class _Deadline:
    """Ends an exchange as a whole: the timeout of a socket begins anew with every byte that drips in."""

    def __init__(self, connected: socket.socket) -> None:
        self.has_passed = False
        self._socket = connected
        self._timer = threading.Timer(WHOLE_S, self._cut)
        self._timer.daemon = True

    def _cut(self) -> None:
        self.has_passed = True
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # below TLS, whose goodbye would wait for the peer

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()


def _checked_addresses(host: str, port: int) -> list[str]:
    """The addresses of the name; one that is not public refuses them all unless the name itself says this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutgoingFailed(type(error).__name__) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if host not in LOOPBACK and not all(_is_public(address) for address in addresses):
        raise OutgoingRefused("the name leads to an address that is not public")
    return addresses


def _is_public(address: str) -> bool:
    """Whether an address, and the IPv4 address that an IPv6 one may stand for, is on the public network."""
    ip = ipaddress.ip_address(address.split("%")[0])
    inner: ipaddress.IPv4Address | None = None
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in NAT64:
            inner = ipaddress.IPv4Address(ip.packed[-4:])
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
    return all(one.is_global and not one.is_multicast for one in (ip, inner) if one is not None)
