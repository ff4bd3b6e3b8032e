"""Where a request comes from, as far as the trusted proxies can say."""

from __future__ import annotations

import ipaddress

from flask import request


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
