"""A PostgreSQL and a Redis of one test alone, to be stopped, frozen, filled up and replaced by a replica."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.support import servers

RUNS_IN_MEMORY = (
    "fsync=off",
    "full_page_writes=off",
)  # no power fails here, and a crash loses nothing committed
OPTIONS = ("max_connections=40", "superuser_reserved_connections=3", "max_wal_senders=4", "listen_addresses=127.0.0.1")
ROUNDS, CALM_ROUNDS = 200, 5
USER = "outage"  # no superuser, for whom some connections are kept


class Server:
    """One PostgreSQL, on a socket in its folder and on a port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, servers.free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o711)
        if os.geteuid() == servers.ROOT:
            shutil.chown(folder, servers.POSTGRESQL_USER, servers.POSTGRESQL_USER)

    @classmethod
    def new(cls, folder: Path) -> Server:
        """Empty, with a database of the name `connect`."""
        server = cls(folder)
        server._run("initdb", "-A", "trust", "-U", "connect", "-E", "UTF8", "--locale=C", "--no-sync", "-D")
        server.start()
        with server.admin() as admin:
            admin.execute(f"CREATE ROLE {USER} LOGIN")
            admin.execute(f"CREATE DATABASE connect OWNER {USER}")
        return server

    def replica(self, folder: Path) -> Server:
        """Another one that follows this one."""
        other = Server(folder)
        other._run(
            "pg_basebackup", "-h", str(self.folder), "-p", str(self.port), "-U", "connect", "-R", "-c", "fast", "-D"
        )
        other.start()
        return other

    def follow_synchronously(self) -> None:
        """What is committed from now on is with the replica too."""
        with self.admin() as admin:
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            admin.execute("SELECT pg_reload_conf()")

    def url(self, *others: Server, through: int | None = None) -> str:
        """By the network, as another machine would: of this one, through another port where somebody stands between,
        and of those that may take over.
        """
        ports = (through or self.port, *(server.port for server in others))
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in ports)
        return f"postgresql+psycopg://{USER}@/connect?{hosts}"

    def admin(self) -> psycopg.Connection[Any]:
        """As the superuser, for whom there is always room."""
        return self._connect("connect", "postgres")

    def start(self) -> None:
        options = [part for option in (*OPTIONS, *RUNS_IN_MEMORY, f"port={self.port}") for part in ("-c", option)]
        command: list[str | Path] = [
            servers._postgresql_programs() / "postgres",
            "-D",
            self.folder / "data",
            "-k",
            self.folder,
            *options,
        ]
        log = self.folder.parent / f"{self.folder.name}.log"
        self._process = servers._spawn(command, log, servers._as_postgresql())
        servers._wait_until(lambda: self.admin().close(), psycopg.OperationalError, self._process, log)

    def stop(self, mode: str = "immediate") -> None:
        """As `pg_ctl stop -m`: immediate is a crash, fast ends every session first."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal({"immediate": signal.SIGQUIT, "fast": signal.SIGINT}[mode])
            self._process.wait(servers.ENDS_WITHIN_S)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of it stands still; the kernel goes on taking what is sent to it."""
        assert self._process is not None
        first = self._process.pid
        os.kill(first, signal.SIGSTOP)  # so that none of its children comes or goes
        stopped = [*_children(first), first]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Whoever wants a connection is refused; those that are open are cut, as by an impatient operator."""
        held: list[psycopg.Connection[Any]] = []
        others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s AND pid <> ALL(%s)"
        with self.admin() as admin:
            try:
                calm = 0
                for _ in range(ROUNDS):  # whoever was cut off comes back at once, and may be faster than we are
                    cut = admin.execute(others, [USER, [one.info.backend_pid for one in held]]).fetchall()
                    had = len(held)
                    with suppress(psycopg.OperationalError):
                        while True:
                            held.append(self._connect(USER, "connect"))
                    calm = calm + 1 if not cut and len(held) == had else 0
                    if calm == CALM_ROUNDS:
                        break
                    time.sleep(0.02)
                else:
                    raise AssertionError("somebody always found a place")
                yield
            finally:
                for one in held:
                    one.close()

    @contextmanager
    def reading_only(self) -> Iterator[None]:
        """Open connections go on and refuse to write, as those to a server that was the first one."""
        with self.admin() as admin:
            admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            admin.execute("SELECT pg_reload_conf()")
            try:
                yield
            finally:
                admin.execute("SET default_transaction_read_only = off")
                admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
                admin.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        with self.admin() as admin:
            admin.execute("SELECT pg_promote(true, 30)")

    def _connect(self, user: str, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), port=self.port, user=user, dbname=database, autocommit=True)

    def _run(self, program: str, *options: str) -> None:
        program = str(servers._postgresql_programs() / program)
        command = [*servers._as_postgresql(), program, *options, str(self.folder / "data")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


class OwnRedis:
    """A Redis of one test alone, which it may mistreat."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process, self.port = servers.start_redis(folder)

    def url(self, port: int | None = None) -> str:
        """Of another port, where somebody stands between."""
        return f"redis://127.0.0.1:{port or self.port}/0"

    def stop(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait(10)

    def start(self) -> None:
        """As empty as ever: it keeps nothing on disk."""
        self._process, _ = servers.start_redis(self._folder, self.port)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop()
        yield
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def out_of_memory(self) -> Iterator[None]:
        """It answers, and takes nothing more (noeviction)."""
        with redis.Redis(port=self.port) as client:
            client.config_set("maxmemory", "1")
            yield
            client.config_set("maxmemory", "0")
