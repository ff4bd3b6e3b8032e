"""Redis as an operator runs it: a password, TLS alone, and nothing kept on the disk."""

from __future__ import annotations

from pathlib import Path

import redis

from examples.cluster.program import Program

CONFIGURATION = """
bind 127.0.0.1
port 0
tls-port {port}
tls-cert-file {certificate}
tls-key-file {key}
tls-ca-cert-file {certificate}
tls-auth-clients no
requirepass {password}
save ""
dir {folder}
"""


class Redis:
    def __init__(self, folder: Path, port: int, password: str, certificate: Path, key: Path) -> None:
        self.url = f"rediss://:{password}@127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
        self._folder = folder
        self._file = folder / "redis.conf"
        self._file.touch(0o600)
        self._file.write_text(
            CONFIGURATION.format(port=port, certificate=certificate, key=key, password=password, folder=folder)
        )

    def start(self) -> None:
        self.server = Program(["redis-server", self._file], self._folder / "redis.log")
        self.server.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                client.ping()
        except redis.RedisError:
            return False
        return True

    def end(self) -> None:
        if hasattr(self, "server"):
            self.server.end()
