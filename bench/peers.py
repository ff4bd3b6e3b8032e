"""Other providers to be measured against, each installed from its lock file, on a port of its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.report import on_core
from bench.sides import RS256, SLUGS, Client, Side
from bench.tasks import DJANGO, OIDC_PROVIDER
from keys.jwk import RSA_BITS
from tests.interop.node_party import install
from tests.support.relying_party import challenge
from tests.support.servers import free_port

FOLDER = Path(__file__).parent / "peers"
STARTS_WITHIN_S = 30
THREADS = "8"  # of one process of Connect, as the README starts it, and of whatever else runs behind granian
CLIENTS = {algorithm: Client(slug, f"https://{slug}.example.ch/callback") for algorithm, slug in SLUGS.items()}
OIDC_PROVIDER_PATHS = {
    "token": "/token", "userinfo": "/me", "introspect": "/token/introspection", "jwks": "/jwks", "par": "/request",
    "authorize": "/auth", "discovery": "/.well-known/openid-configuration",
}  # fmt: skip
DJANGO_PATHS = {
    "token": "/o/token/", "userinfo": "/o/userinfo/", "introspect": "/o/introspect/",
    "jwks": "/o/.well-known/jwks.json", "authorize": "/o/authorize/",
    "discovery": "/o/.well-known/openid-configuration",
}  # fmt: skip
BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)  # the environment of the bench has no pip


@contextmanager
def oidc_provider(redis_port: int, output: Path, *, core: int, name: str = OIDC_PROVIDER) -> Iterator[Side]:
    """oidc-provider (npm) with this Redis as its store, one process on one core."""
    install(FOLDER)
    port, side = free_port(), free_port()
    node = shutil.which("node") or "node"
    command = [node, str(FOLDER / "oidc_provider.mjs"), str(port), str(side), str(redis_port), str(RSA_BITS)]
    origin = f"http://localhost:{port}"
    with _running([*on_core(core), *command], {"NODE_ENV": "production"}, output, f"{origin}/jwks"):
        yield Side(name, origin, OIDC_PROVIDER_PATHS, CLIENTS, _side_door(side))


@contextmanager
def django(socket: Path, database: str, folder: Path, *, core: int) -> Iterator[Side]:
    """django-oauth-toolkit (PyPI) on PostgreSQL behind granian, one process on one core, as Connect runs."""
    packages, origin, side, output = _packages(), f"http://localhost:{free_port()}", free_port(), folder / "django.log"
    key = rsa.generate_private_key(65537, RSA_BITS)
    (folder / "django.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    environ = {
        "PYTHONPATH": os.pathsep.join((str(packages), str(FOLDER))), "DATABASE": database, "DATABASE_HOST": str(socket),
        "ORIGIN": origin, "KEY_FILE": str(folder / "django.key"), "COOKIE_KEY": os.urandom(32).hex(),
        "CHALLENGE": challenge(),
    }  # fmt: skip
    door = [BASE_PYTHON, str(FOLDER / "django_provider.py"), str(side)]
    web = [
        *on_core(core), BASE_PYTHON, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port",
        origin.rpartition(":")[2], "--workers", "1", "--no-ws", "--log-level", "warning", "--blocking-threads", THREADS,
        "django_provider:application",
    ]  # fmt: skip
    clients = {RS256: CLIENTS[RS256]}
    with (
        _running(door, environ, output, f"http://localhost:{side}/code/fon/0"),
        _running(web, environ, output, f"{origin}{DJANGO_PATHS['jwks']}"),
    ):
        yield Side(DJANGO, origin, DJANGO_PATHS, clients, _side_door(side))


def _packages() -> Path:
    """A folder with what django.lock names, filled once by the pip of the system: ours and theirs do not mix."""
    lock, folder = FOLDER / "django.lock", FOLDER / "build"
    wanted, stamp = hashlib.sha256(lock.read_bytes()).hexdigest(), folder / "lock.sha256"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (stamp.is_file() and stamp.read_text() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            command = [BASE_PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "--target", str(folder)]
            told = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
            done = subprocess.run([*command, "-r", str(lock)], capture_output=True, text=True, env=told)
            if done.returncode:
                raise RuntimeError(f"pip could not install {lock.name}:\n{done.stderr}")
            stamp.write_text(wanted)
    return folder


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
