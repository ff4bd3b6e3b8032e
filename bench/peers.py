"""Other providers to be measured against, each installed from its lock file, on a port of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.report import pin
from tests.interop.node_party import install
from tests.support.servers import free_port

FOLDER = Path(__file__).parent / "peers"
STARTS_WITHIN_S = 30
CLIENT_ID, REDIRECT_URI = "cpx", "https://cpx.example.ch/callback"


@dataclass(frozen=True)
class Peer:
    """A provider that answers, and the door at which it makes codes and tokens without a browser."""

    origin: str
    side_door: str

    def made(self, kind: str, count: int) -> list[str]:
        """So many fresh codes (`code`), refresh tokens (`refresh`) or access tokens (`access`) of its portal."""
        with urllib.request.urlopen(f"{self.side_door}/{kind}/{count}", timeout=120) as answer:  # noqa: S310 - loopback
            return str(answer.read().decode()).split()


@contextmanager
def oidc_provider(redis_port: int, alg: str, output: Path, *, core: int) -> Iterator[Peer]:
    """oidc-provider (npm) with Redis as its store, one process on one core."""
    install(FOLDER)
    port, side = free_port(), free_port()
    node = shutil.which("node") or "node"
    with output.open("ab") as stream:
        process = subprocess.Popen(
            [node, str(FOLDER / "oidc_provider.mjs"), str(port), str(side), str(redis_port), alg],
            stdout=stream, stderr=stream, env={**os.environ, "NODE_ENV": "production"},
        )  # fmt: skip
    try:
        pin(process.pid, core)
        peer = Peer(f"http://localhost:{port}", f"http://localhost:{side}")
        _wait_for(peer, process, output)
        yield peer
    finally:
        process.terminate()
        process.wait(timeout=STARTS_WITHIN_S)


def _wait_for(peer: Peer, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            requests.get(f"{peer.origin}/jwks", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the peer did not start:\n{output.read_text()}") from None
            time.sleep(0.05)
