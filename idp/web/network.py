"""Where a request comes from, as far as the trusted proxies and the browser itself can say."""

from __future__ import annotations

import ipaddress
from math import ceil

import structlog
from flask import request
from werkzeug.exceptions import TooManyRequests

from idp.services.bundle import services
from idp.services.throttle import Volume

BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("FxiOS", "Firefox"),
            ("Firefox", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"))  # fmt: skip
SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"),
           ("Mac OS", "Mac"), ("CrOS", "Chromebook"), ("Linux", "Linux"))  # fmt: skip

log = structlog.get_logger(__name__)


def limit(volume: Volume) -> None:
    """Count one event of the client's network. Beyond its share the answer is 429, with the time it works again."""
    open_at = services().throttle.spend(volume, client_network())
    if open_at is not None:
        log.warning("volume_refused", volume=volume.value)
        raise TooManyRequests(retry_after=ceil((open_at - services().clock.now()).total_seconds()))


def client_network() -> str:
    """The IPv4 address or the IPv6 /64 of the client. `ProxyFix` in wsgi.py reads the trusted hops only."""
    try:
        address = ipaddress.ip_address((request.remote_addr or "").split("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def client_device() -> str:
    """The browser and system of this request, in words."""
    return device_name(request.headers.get("User-Agent", ""))


def device_name(agent: str) -> str:
    """Browser and system as people name them, "Firefox, Windows"; empty when neither is told. Never what was sent."""
    known = (next((name for mark, name in table if mark in agent), "") for table in (BROWSERS, SYSTEMS))
    return ", ".join(name for name in known if name)
