"""The one door for HTTP out: the resolved addresses are judged and pinned, no redirects, time and size are capped.

An address that a portal registered is somebody else's input (C-83): it reaches public places only, by https only, and
its name is resolved once, so that a name which answers differently the second time gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from idp.services.spans import CLIENT, NO_SPANS, Spans
from idp.settings import Settings

LARGEST_ANSWER = 64 * 1024
CONNECT_S = 3.0
TRIED_ADDRESSES = 2  # a name may have an IPv6 address that this machine cannot reach
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
TUNNELS = tuple(ipaddress.ip_network(net) for net in ("2002::/16", "2001::/32", "192.88.99.0/24", "3fff::/20"))

Resolver = Callable[[str, int], list[str]]


class OutgoingRefused(Exception):
    """The address is one we do not talk to."""


class OutgoingFailed(Exception):
    """No usable answer came; the message is the class of the cause."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = field(repr=False)
    content_type: str = ""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name as the machine's resolver knows them, each once. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Reach:
    """Where one kind of address may lead: hosts and networks that are allowed though they are not public."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    allows_http: bool = False  # to an allowed host only
    ca_file: Path | None = None
    trusts_public_ca: bool = True
    resolver: Resolver = field(default=resolve, repr=False)
    spans: Spans = field(default=NO_SPANS, repr=False)

    @classmethod
    def of_portals(cls, settings: Settings, spans: Spans = NO_SPANS) -> Reach:
        """For addresses that portals register: the open internet, and what the operator opened by name or network."""
        hosts, networks = set(), []
        for place in settings.portals_inside:
            try:
                networks.append(ipaddress.ip_network(place))
            except ValueError:
                hosts.add(place)
        return cls(frozenset(hosts), tuple(networks), ca_file=settings.portals_ca_file, spans=spans)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """Certificates are always checked; `ca_file` counts beside the public authorities, or alone."""
        context = ssl.create_default_context(cafile=None if self.trusts_public_ca else self.ca_file)
        if self.trusts_public_ca and self.ca_file:
            context.load_verify_locations(self.ca_file)
        return context

    def allows(self, host: str, address: str) -> bool:
        ip = ipaddress.ip_address(address.split("%")[0])
        if host in self.hosts or any(ip in network for network in self.networks if network.version == ip.version):
            return True
        return is_public(ip)


def is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address belongs to the open internet, and does not wrap another address that may not."""
    if isinstance(ip, ipaddress.IPv6Address) and ip not in GLOBAL_IPV6:
        return False  # loopback, link-local, site-local, mapped and translated IPv4
    if any(ip in network for network in TUNNELS if network.version == ip.version):
        return False
    return ip.is_global and not ip.is_multicast


def get(url: str, *, reach: Reach, types: tuple[str, ...], within: float = 5) -> Answer:
    """GET a document of one of these media types, at most 64 KiB. Raises `OutgoingRefused` or `OutgoingFailed`."""
    headers = {"Accept": ", ".join(types), "Accept-Encoding": "identity"}
    answer = _exchange("GET", url, None, headers, reach, within)
    if answer.status != 200:
        raise OutgoingFailed(f"status {answer.status}")
    if answer.content_type not in types:
        raise OutgoingFailed("another media type")
    if len(answer.body) > LARGEST_ANSWER:
        raise OutgoingFailed("too large")
    return answer


def post(url: str, body: bytes, headers: dict[str, str], *, reach: Reach, within: float = 13) -> Answer:
    """POST; of a long answer only the beginning is read. Raises `OutgoingRefused` or `OutgoingFailed`."""
    return _exchange("POST", url, body, headers, reach, within)


def _exchange(
    method: str, url: str, body: bytes | None, headers: dict[str, str], reach: Reach, within: float
) -> Answer:
    """Its span says which host was asked, never what for: addresses of portals may hold anything."""
    noted = {"http.request.method": method, "server.address": urlsplit(url).hostname or ""}
    span, error = reach.spans.begin(method, CLIENT, noted), ""
    try:
        answer = _answered(method, url, body, headers, reach, within)
        span.note({"http.response.status_code": answer.status})
        return answer
    except (OutgoingRefused, OutgoingFailed) as failed:
        error = type(failed).__name__
        raise
    finally:
        span.end(error)


def _answered(
    method: str, url: str, body: bytes | None, headers: dict[str, str], reach: Reach, within: float
) -> Answer:
    deadline = time.monotonic() + within
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and reach.allows_http and host in reach.hosts):
        raise OutgoingRefused("the address is not https")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = _connect(parts.scheme, host, port, reach, deadline)
        with _closing(connection, deadline) as has_expired:
            connection.request(
                method, target, body=body, headers={**headers, "Host": parts.netloc.rpartition("@")[2]},
                preload_content=False, decode_content=False,
            )  # fmt: skip
            answer = _read(connection.getresponse())
            if has_expired():  # what was cut off looks like an end
                raise OutgoingFailed("TimeoutError")
            return answer
    except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
        raise OutgoingFailed(type(error).__name__) from None


def _read(response: urllib3.BaseHTTPResponse) -> Answer:
    body = b""
    while len(body) <= LARGEST_ANSWER and (piece := response.read1(LARGEST_ANSWER + 1)):
        body += piece
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(response.status, body, media_type)


def _connect(scheme: str, host: str, port: int, reach: Reach, deadline: float) -> HTTPConnection:
    """A connection to one of the judged addresses, under the name that its certificate must have."""
    addresses = _judged(host, port, reach)
    for last, address in enumerate(addresses, 1 - len(addresses)):
        timeout = max(0.1, min(CONNECT_S, deadline - time.monotonic()))
        if scheme == "https":
            connection: HTTPConnection = HTTPSConnection(
                address, port, timeout=timeout, ssl_context=reach.context, server_hostname=host
            )
        else:
            connection = HTTPConnection(address, port, timeout=timeout)
        try:
            connection.connect()
        except (urllib3.exceptions.HTTPError, OSError):
            connection.close()
            if last == 0:
                raise
        else:
            connection.timeout = max(0.1, deadline - time.monotonic())
            return connection
    raise OutgoingFailed("the name has no address")


def _judged(host: str, port: int, reach: Reach) -> list[str]:
    """The addresses of the name, resolved once. One that is not allowed condemns them all: names may be mixed."""
    addresses = _resolved(host, port, reach.resolver)
    if not all(reach.allows(host, address) for address in addresses):
        raise OutgoingRefused("the name leads to an address that is not public")
    return addresses[:TRIED_ADDRESSES]


def _resolved(host: str, port: int, resolver: Resolver) -> list[str]:
    """A slow name server is not waited for: the thread that asks it ends by itself."""
    found: list[str] = []

    def ask() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(resolver(host, port))

    thread = threading.Thread(target=ask, name="resolver", daemon=True)
    thread.start()
    thread.join(CONNECT_S)
    return list(found)


@contextmanager
def _closing(connection: HTTPConnection, deadline: float) -> Iterator[Callable[[], bool]]:
    """Cut the connection off at the deadline, however slowly the other side drips; tells whether that happened."""
    sock, expired = connection.sock, threading.Event()

    def cut() -> None:
        expired.set()
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of the connection itself, whatever TLS waits for

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield expired.is_set
    finally:
        timer.cancel()
        connection.close()
