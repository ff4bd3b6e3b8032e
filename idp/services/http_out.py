"""The one door for HTTP out: the resolved address is checked and pinned, no redirects, time and size are capped."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout

LARGEST_ANSWER = 64 * 1024
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class OutgoingRefused(Exception):
    """The address is one we do not talk to."""


class OutgoingFailed(Exception):
    """No usable answer came; the message is the class of the cause."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


def post(url: str, body: bytes, headers: dict[str, str], *, ca_file: Path | None = None) -> Answer:
    """POST to a configured address. Raises `OutgoingRefused` or `OutgoingFailed`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _checked_address(host, port)
    timeout = Timeout(connect=3, read=10)
    if parts.scheme == "https":
        pool: HTTPConnectionPool = HTTPSConnectionPool(
            address, port, timeout=timeout, retries=False, ca_certs=str(ca_file) if ca_file else None,
            cert_reqs="CERT_REQUIRED", server_hostname=host, assert_hostname=host,
        )  # fmt: skip
    else:
        pool = HTTPConnectionPool(address, port, timeout=timeout, retries=False)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        answer = pool.urlopen(
            "POST", target, body=body, headers={**headers, "Host": parts.netloc}, redirect=False,
            preload_content=False, assert_same_host=False,
        )  # fmt: skip
        content = answer.read(LARGEST_ANSWER)
        return Answer(answer.status, content)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise OutgoingFailed(type(error).__name__) from None
    finally:
        pool.close()


def _checked_address(host: str, port: int) -> str:
    """The first address of the name; private ranges are refused unless the name itself says this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OutgoingFailed(type(error).__name__) from None
    address = str(found[0][4][0])
    ip = ipaddress.ip_address(address.split("%")[0])
    if host in LOOPBACK:
        return address
    if not ip.is_global or ip.is_multicast:
        raise OutgoingRefused("the name leads to an address that is not public")
    return address
