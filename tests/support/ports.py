"""Free ports of this machine, for servers that tests start."""

from __future__ import annotations

import os
import socket


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def five_free_ports() -> int:
    """The first of five neighbouring free ports; workers of one test run look in different places."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for first in range(21000 + worker * 1000, 60000, 10):
        if all(is_free(first + offset) for offset in range(5)):
            return first
    raise OSError("no five neighbouring ports are free")
