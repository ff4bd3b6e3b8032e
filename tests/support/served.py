"""Connect in a process of its own behind granian, over HTTP or HTTPS, and a person who reaches it by the network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin

import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from idp.models.base import db
from idp.services import schema
from idp.services.assembly import bare_app, build_services
from idp.services.bundle import Services, services
from idp.settings import Settings
from keys.master import new_master_key
from tests.support.authority import Authority
from tests.support.person import Person

ROOT = Path(__file__).resolve().parent.parent.parent
STARTS_WITHIN_S = 60
STOPS_WITHIN_S = 20


def installation(folder: Path, issuer: str, **changes: str) -> dict[str, str]:
    """A complete configuration in a folder: cheap password hashing, delivery left to whoever wants it."""
    return {
        "CONNECT_ISSUER": issuer,
        "CONNECT_DATABASE_URL": f"sqlite:///{folder}/connect.db",
        "CONNECT_MASTER_KEY": new_master_key(),
        "CONNECT_MAIL_FROM": "connect@example.ch",
        "CONNECT_SMTP_HOST": "localhost",
        "CONNECT_SMTP_SECURITY": "none",
        "CONNECT_SMS_PROVIDER": "webhook",
        "CONNECT_SMS_URL": "http://localhost:9/sms",
        "CONNECT_SMS_SECRET": new_master_key() + "Zq",
        "CONNECT_ARGON2_MEMORY_KIB": "8",
        "CONNECT_ARGON2_PASSES": "1",
        "CONNECT_EMBEDDED_WORKER": "false",
        **changes,
    }


@contextmanager
def inside(environ: dict[str, str]) -> Iterator[Services]:
    """The services of an installation in this process, on a schema that is up to date and with signing keys."""
    app = bare_app(build_services(Settings.from_environ(environ)))
    with app.app_context():
        schema.upgrade()
        services().keyring.ensure()
        try:
            yield services()
        finally:
            db.session.remove()
            db.engine.dispose()


class Process:
    """A part of the installation; what it says on stdout and stderr is kept in one file."""

    def __init__(self, arguments: list[str], environ: dict[str, str], output: Path) -> None:
        self.output = output
        with output.open("ab") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT, env={**os.environ, **environ}, stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        if not self.has_ended:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=STOPS_WITHIN_S)


def granian(
    environ: dict[str, str], output: Path, authority: Authority | None, *extra: str, target: str = "wsgi:app"
) -> Process:
    """The web process under the issuer's port; it answers when this returns. https where there is an authority."""
    issuer = environ["CONNECT_ISSUER"]
    arguments = [
        "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", issuer.rpartition(":")[2], "--workers", "1",
        "--blocking-threads", "4", "--no-ws", *extra,
    ]  # fmt: skip
    if authority is not None:
        made = authority.issue("localhost")
        arguments += ["--ssl-certificate", str(made.chain), "--ssl-keyfile", str(made.key)]
    process = Process([*arguments, target], environ, output)
    line = _Line(str(authority.file) if authority else True)
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            line.http.get(f"{issuer}/readyz", timeout=5).raise_for_status()
        except requests.RequestException:
            if process.has_ended or time.monotonic() > deadline:
                process.stop()
                raise AssertionError(f"the server did not start:\n{output.read_text()}") from None
            time.sleep(0.05)
        else:
            return process


class _Line:
    """What `Person` needs of a test client, over a real connection."""

    def __init__(self, verify: str | bool) -> None:
        self.http = requests.Session()
        self.http.trust_env = False  # a machine's own bundle would stand in for ours
        self.http.verify = verify
        self.http.headers["Accept-Language"] = "fr"

    def get(self, address: str, *, base_url: str) -> Response:
        return self._seen(self.http.get(urljoin(base_url, address), allow_redirects=False, timeout=30))

    def post(self, address: str, *, data: dict[str, str], base_url: str, headers: dict[str, str]) -> Response:
        target = urljoin(base_url, address)
        return self._seen(self.http.post(target, data=data, headers=headers, allow_redirects=False, timeout=30))

    def _seen(self, answer: requests.Response) -> Response:
        kept = {name: value for name, value in answer.headers.items() if name not in {"content-encoding"}}
        return Response(answer.content, answer.status_code, kept)


class RemotePerson(Person):
    """A person whose browser speaks to the server of an issuer."""

    page: TestResponse

    def __init__(self, issuer: str, authority: Authority | None = None) -> None:
        line = _Line(str(authority.file) if authority else True)
        self.issuer, self.http, self.address = issuer, line.http, "/"
        self.client = cast(FlaskClient, cast(Any, line))
