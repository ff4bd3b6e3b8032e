"""Real servers of one test run, shared by all its workers: PostgreSQL and Redis.

The first test that asks starts a server, under a file lock in the run's folder; the process that made the folder ends
it. Should the run be killed, the kernel ends the servers with the process that started them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import redis

ANSWERS_WITHIN_S = 30
ENDS_WITHIN_S = 15
POSTGRESQL_PROGRAMS = Path("/usr/lib/postgresql")  # Debian keeps them out of PATH, by version
POSTGRESQL_USER = "postgres"  # the server refuses to run as root
OPTIONS = ("max_connections=300", "listen_addresses=")
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")  # nobody misses what a test wrote
ROOT = 0

_started: list[subprocess.Popen[bytes]] = []


def new_run_folder() -> Path:
    """A folder that the database's user may enter, whoever runs the tests; pytest's own is closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="connect-tests-"))
    folder.chmod(0o711)
    return folder


def postgresql(run: Path, *, is_durable: bool = False) -> Path:
    """The folder of the socket on which the run's PostgreSQL answers to the superuser `connect`.

    `is_durable`, for whoever starts it: what was committed lies on the disk, as in production.
    """
    folder = run / "postgresql"
    with _lock(run, "postgresql") as is_first:
        if is_first:
            (run / "postgresql.pid").write_text(str(_start_postgresql(folder, is_durable=is_durable).pid))
    return folder


def shared_redis(run: Path) -> int:
    """The port of the run's Redis."""
    with _lock(run, "redis") as is_first:
        if is_first:
            process, port = start_redis(run)
            (run / "redis.port").write_text(str(port))
            (run / "redis.pid").write_text(str(process.pid))
    return int((run / "redis.port").read_text())


def start_redis(folder: Path, port: int = 0, *, is_durable: bool = False) -> tuple[subprocess.Popen[bytes], int]:
    """A redis-server on a free port unless one is given. It keeps nothing on disk, or everything before it answers."""
    program = shutil.which("redis-server") or missing("redis-server")
    port = port or free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--databases", "64", "--dir", str(folder)]
    options += ["--appendonly", "yes", "--appendfsync", "always"] if is_durable else []
    process = _spawn([program, *options], folder / "redis.log")
    with redis.Redis(port=port) as client:
        _wait_until(client.ping, redis.RedisError, process, folder / "redis.log")
    return process, port


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_all(run: Path) -> None:
    """End what this run started and remove its folder."""
    for name, wish in (("postgresql", signal.SIGINT), ("redis", signal.SIGTERM)):
        file = run / f"{name}.pid"
        if file.is_file():
            _end(int(file.read_text()), wish)
    shutil.rmtree(run)


def missing(package: str) -> str:
    """A machine that can have the server must have it; elsewhere its tests are skipped, and say why."""
    reason = f"{package} is not installed (a package of Debian)"
    if os.environ.get("CI") or os.geteuid() == ROOT:
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def _lock(run: Path, name: str) -> Iterator[bool]:
    """Hold the lock of this server; true for the first comer, who starts it."""
    with (run / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield not (run / f"{name}.pid").is_file()


def _start_postgresql(folder: Path, *, is_durable: bool) -> subprocess.Popen[bytes]:
    programs = _postgresql_programs()
    folder.mkdir()
    if os.geteuid() == ROOT:
        shutil.chown(folder, POSTGRESQL_USER, POSTGRESQL_USER)
    data = folder / "data"
    initdb = f"{programs}/initdb -A trust -U connect -E UTF8 --locale=C --no-sync -D".split()
    subprocess.run([*_as_postgresql(), *initdb, data], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    options = [part for option in (*OPTIONS, *(() if is_durable else FORGETFUL)) for part in ("-c", option)]
    log = folder.parent / "postgresql.log"
    process = _spawn([programs / "postgres", "-D", data, "-k", folder, *options], log, _as_postgresql())
    _wait_until(lambda: _connects(folder), psycopg.OperationalError, process, log)
    return process


def _connects(folder: Path) -> None:
    psycopg.connect(host=str(folder), user="connect", dbname="postgres").close()


def _postgresql_programs() -> Path:
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    versions = sorted(POSTGRESQL_PROGRAMS.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return versions[-1] if versions else Path(missing("postgresql"))


def _as_postgresql() -> list[str]:
    if os.geteuid() != ROOT:
        return []
    return ["setpriv", f"--reuid={POSTGRESQL_USER}", f"--regid={POSTGRESQL_USER}", "--clear-groups"]


def _spawn(command: Sequence[str | Path], log: Path, as_user: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start a server that lives no longer than this process."""
    guard = [*(as_user or ["setpriv"]), "--pdeathsig", "INT"] if shutil.which("setpriv") else []
    with log.open("ab") as out:
        process = subprocess.Popen([*guard, *command], stdout=out, stderr=out, cwd=log.parent, start_new_session=True)
    _started.append(process)
    return process


def _wait_until(
    ask: Callable[[], object], refusal: type[Exception], process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while True:
        try:
            ask()
            return
        except refusal:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(log.read_text()[-2000:]) from None
            time.sleep(0.02)


def _end(pid: int, wish: signal.Signals) -> None:
    """Ask a process to end, and insist after a while. It is ours, or of a worker that is gone already."""
    own = next((process for process in _started if process.pid == pid), None)
    deadline = time.monotonic() + ENDS_WITHIN_S
    with suppress(ProcessLookupError):
        os.kill(pid, wish)
        while time.monotonic() < deadline:
            if own is not None and own.poll() is not None:
                return
            os.kill(pid, 0)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
