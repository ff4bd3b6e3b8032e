"""PostgreSQL with a streaming replica, as an operator has them: passwords, a replication slot, nothing forgotten."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg

from examples.cluster.program import Program, as_user

PROGRAMS = Path("/usr/lib/postgresql")  # Debian keeps them out of PATH, by version
USER = "postgres"  # the server refuses to run as root
OPTIONS = {
    "listen_addresses": "127.0.0.1", "max_connections": "200", "wal_level": "replica", "hot_standby": "on",
    "synchronous_commit": "on", "max_wal_senders": "5", "wal_keep_size": "64MB",
}  # fmt: skip
OWNER, REPLICATOR, SLOT = "connect", "replicator", "replica"


class PostgreSQL:
    """The primary and its replica; `url` leads to whichever of them takes writes."""

    def __init__(self, folder: Path, ports: tuple[int, int], password: str) -> None:
        self.folder, self.ports, self._password = folder, ports, password
        self._programs = _programs()
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)

    @property
    def url(self) -> str:
        hosts = "".join(f"&host=127.0.0.1:{port}" for port in self.ports)
        return f"postgresql+psycopg://{OWNER}:{quote(self._password)}@/connect?target_session_attrs=read-write{hosts}"

    def start(self) -> None:
        secret = self.folder / "password"
        self._run("install", "-m", "600", "/dev/null", secret)
        secret.write_text(self._password)
        self._run(
            self._programs / "initdb", "--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}",
            "--encoding=UTF8", "--locale=C", "--data-checksums", f"--pgdata={self.folder / 'primary'}",
        )  # fmt: skip
        self.primary = self._serve("primary", self.ports[0])
        password = self._password.replace("'", "''")
        with self.connect(0) as server:
            server.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{password}'")
            server.execute(f"CREATE ROLE {REPLICATOR} LOGIN REPLICATION PASSWORD '{password}'")
            server.execute(f"CREATE DATABASE connect OWNER {OWNER}")
        self._run(
            self._programs / "pg_basebackup", f"--pgdata={self.folder / 'replica'}", "--write-recovery-conf",
            "--wal-method=stream", "--checkpoint=fast", "--create-slot", f"--slot={SLOT}",
            f"--dbname={self._dsn(0, REPLICATOR)}",
        )  # fmt: skip
        self.replica = self._serve("replica", self.ports[1])

    def connect(self, at: int) -> psycopg.Connection[tuple[object, ...]]:
        """The superuser's own connection to the first or the second server."""
        return psycopg.connect(self._dsn(at, USER) + " dbname=postgres", autocommit=True)

    def is_replicating(self) -> bool:
        with self.connect(0) as server:
            return server.execute("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'").fetchone() is not None

    def _dsn(self, at: int, user: str) -> str:
        return f"host=127.0.0.1 port={self.ports[at]} user={user} password='{self._password}'"

    def _serve(self, name: str, port: int) -> Program:
        options = [part for option in OPTIONS.items() for part in ("-c", "=".join(option))]
        command: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self.folder / name,
            "-p",
            str(port),
            "-k",
            self.folder,
            *options,
        ]
        server = Program(command, self.folder.parent / f"{name}.log", user=USER, ends_by=signal.SIGINT)
        server.wait_until(lambda: self._answers(self.ports.index(port)))
        return server

    def _answers(self, at: int) -> bool:
        try:
            self.connect(at).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, *command: str | Path) -> None:
        subprocess.run([*as_user(USER), *command], check=True, cwd=self.folder, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        for name in ("replica", "primary"):
            if (server := getattr(self, name, None)) is not None:
                server.end()


def _programs() -> Path:
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    versions = sorted(PROGRAMS.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not versions:
        raise SystemExit("PostgreSQL is not installed (Debian's package postgresql)")
    return versions[-1]
