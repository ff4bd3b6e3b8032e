"""Other providers to be measured against, each installed from its lock file, on a port of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from bench.report import on_core
from bench.sides import SLUGS, Client, Side
from bench.tasks import OIDC_PROVIDER
from tests.interop.node_party import install
from tests.support.servers import free_port

FOLDER = Path(__file__).parent / "peers"
STARTS_WITHIN_S = 30
CLIENTS = {algorithm: Client(slug, f"https://{slug}.example.ch/callback") for algorithm, slug in SLUGS.items()}
OIDC_PROVIDER_PATHS = {
    "token": "/token", "userinfo": "/me", "introspect": "/token/introspection", "jwks": "/jwks", "par": "/request",
    "authorize": "/auth", "discovery": "/.well-known/openid-configuration",
}  # fmt: skip


@contextmanager
def oidc_provider(redis_port: int, output: Path, *, core: int) -> Iterator[Side]:
    """oidc-provider (npm) with Redis as its store, one process on one core."""
    install(FOLDER)
    port, side = free_port(), free_port()
    node = shutil.which("node") or "node"
    command = [node, str(FOLDER / "oidc_provider.mjs"), str(port), str(side), str(redis_port)]
    origin = f"http://localhost:{port}"
    with _running([*on_core(core), *command], {"NODE_ENV": "production"}, output, f"{origin}/jwks"):
        yield Side(OIDC_PROVIDER, origin, OIDC_PROVIDER_PATHS, CLIENTS, _side_door(side))


def _side_door(port: int) -> Callable[[str, str, int], list[str]]:
    """The door at which a peer makes codes, tokens and sessions without a browser."""

    def made(kind: str, client_id: str, count: int) -> list[str]:
        address = f"http://localhost:{port}/{kind}/{client_id}/{count}"
        with urllib.request.urlopen(address, timeout=120) as answer:
            return str(answer.read().decode()).split("\n")

    return made


@contextmanager
def _running(command: Sequence[str], environ: dict[str, str], output: Path, address: str) -> Iterator[None]:
    """A server until it is no longer needed; it answers at the address when this yields."""
    with output.open("ab") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env={**os.environ, **environ})
    try:
        _wait_for(address, process, output)
        yield
    finally:
        process.terminate()
        process.wait(timeout=STARTS_WITHIN_S)


def _wait_for(address: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            requests.get(address, timeout=5).raise_for_status()
            return
        except requests.RequestException:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the peer did not start:\n{output.read_text()}") from None
            time.sleep(0.05)
