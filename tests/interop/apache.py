"""Apache from Debian with mod_auth_openidc before an application that shows what reaches it; a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from tests.interop.conftest import Connect, Registered
from tests.support.authority import Authority

PROGRAM, MODULES = Path("/usr/sbin/apache2"), Path("/usr/lib/apache2/modules")
LOADED = (
    "mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "env", "proxy", "proxy_http", "ssl",
    "socache_shmcb",
)  # fmt: skip
STARTS_WITHIN_S, STOPS_WITHIN_S = 30, 20
AROUND = """
ServerRoot {folder}
ServerName localhost
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LogLevel warn
Listen 127.0.0.1:{port} https
{load}
{user}
SSLEngine on
SSLCertificateFile {chain}
SSLCertificateKeyFile {key}
OIDCCABundlePath {folder}/authority.pem
ProxyPass /oidc/callback !
ProxyPass / http://127.0.0.1:{application}/
Include {folder}/portal.conf
"""


class _Application(BaseHTTPRequestHandler):
    """Answers with the headers of the request."""

    def do_GET(self) -> None:
        seen = {name: value.encode("latin-1").decode() for name, value in self.headers.items()}
        body = json.dumps({"path": self.path, **seen}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what was asked."""


@contextmanager
def application() -> Iterator[int]:
    """The port of the application behind Apache."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Application)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


@contextmanager
def apache(connect: Connect, known: Registered, port: int, set_up: str) -> Iterator[str]:
    """The address of a portal that this set-up protects; the client's secrets come by the environment."""
    needed = (PROGRAM, MODULES / "mod_auth_openidc.so")
    assert all(file.exists() for file in needed), "these tests need apache2-bin and libapache2-mod-auth-openidc"
    assert connect.authority is not None
    with tempfile.TemporaryDirectory(prefix="apache-") as name, application() as behind:
        folder = Path(name)
        folder.chmod(0o755)  # started by root, Apache works as somebody else, who could not read in a test's folder
        _configure(folder, port, behind, set_up, connect.authority)
        environ = {
            **os.environ,
            "CLIENT_ID": known.portal.client_id, "CLIENT_SECRET": known.secret or "",
            "CRYPTO_PASSPHRASE": "of a portal that lives for one test",
        }  # fmt: skip
        log = folder / "error.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [PROGRAM, "-D", "FOREGROUND", "-f", folder / "apache.conf"], env=environ, stderr=stream
            )
        home = f"https://localhost:{port}"
        try:
            _await(process, home, connect.authority, log)
            yield home
        finally:
            process.terminate()
            process.wait(timeout=STOPS_WITHIN_S)
            sys.stderr.write(log.read_text())  # pytest shows it where a test fails


def _configure(folder: Path, port: int, behind: int, set_up: str, authority: Authority) -> None:
    made = authority.issue("localhost")
    shutil.copy(authority.file, folder)
    written = AROUND.format(
        folder=folder, port=port, application=behind, chain=made.chain, key=made.key,
        load="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED),
        user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
    )  # fmt: skip
    (folder / "apache.conf").write_text(written)
    (folder / "portal.conf").write_text(set_up)


def _await(process: subprocess.Popen[bytes], home: str, authority: Authority, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    with requests.Session() as http:
        http.trust_env = False
        while True:
            try:
                http.get(f"{home}/bye", verify=str(authority.file), timeout=5).raise_for_status()
            except requests.RequestException:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"Apache did not start:\n{log.read_text()}") from None
                time.sleep(0.05)
            else:
                return
