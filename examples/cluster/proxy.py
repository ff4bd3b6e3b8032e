"""nginx with the configuration of docs/nginx.conf, only with the places of this cluster in it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from examples.cluster.program import ROOT, Program

OURS = ROOT / "docs" / "nginx.conf"
AROUND = """
{user}
daemon off;
pid {folder}/nginx.pid;
worker_processes 2;
error_log {folder}/nginx.error.log warn;
events {{ worker_connections 2048; }}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/connect.conf;
}}
"""


class Proxy:
    def __init__(
        self, folder: Path, port: int, instances: Mapping[int, int], drains: Mapping[int, Path],
        certificate: Path, key: Path,
    ) -> None:  # fmt: skip
        """`instances` and `drains`: port and drain file of the instances 1 and 2."""
        self._folder, self._port = folder, port
        places = {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "server_name connect.example.ch": "server_name localhost",
            "Host $host;": f"Host $host:{port};",
            "/etc/ssl/connect.crt": str(certificate),
            "/etc/ssl/private/connect.key": str(key),
            "/srv/connect/idp/static": str(ROOT / "idp" / "static"),
        }
        places |= {f"127.0.0.1:800{number}": f"127.0.0.1:{port}" for number, port in instances.items()}
        places |= {f"/run/connect-{number}/draining": str(drain) for number, drain in drains.items()}
        (folder / "connect.conf").write_text(_in_place(OURS.read_text(encoding="utf-8"), places))
        user = "user www-data;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))

    def start(self) -> None:
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        errors, configuration = self._folder / "nginx.error.log", self._folder / "nginx.conf"
        self.server = Program(
            [program, "-e", errors, "-p", self._folder, "-c", configuration], self._folder / "nginx.log"
        )
        self.server.wait_until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def end(self) -> None:
        if hasattr(self, "server"):
            self.server.end()


def _in_place(text: str, places: Mapping[str, str]) -> str:
    """The text with each of these places put in; all of them stand in it."""
    for written, ours in places.items():
        if written not in text:
            raise LookupError(f"docs/nginx.conf says nothing of {written}")
        text = text.replace(written, ours)
    return text
