"""Free ports of this machine, for servers that tests start."""

from __future__ import annotations

import os
import socket

LOWEST, HIGHEST = 21000, 60000


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def five_free_ports() -> int:
    return free_ports(5)


def free_ports(count: int) -> int:
    """The first of so many neighbouring free ports; each process looks in another place, so that two seldom race."""
    for turn in range(0, HIGHEST - LOWEST, 10):
        first = LOWEST + (os.getpid() * 70 + turn) % (HIGHEST - LOWEST)
        if all(is_free(first + offset) for offset in range(count)):
            return first
    raise OSError("no neighbouring ports are free")
