"""The set-up commands of the README, with the standard library alone: `python3 dev.py demo`, `cluster`, `test`, …

A Debian without python3-venv has no ensurepip, and its pip refuses to install outside an environment; so the
environment is made without pip and filled by the system's pip from the hash-checked lock file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "lock.sha256"
OLDEST_PYTHON = (3, 11)
OLDEST_PIP = (22, 3)
MEMORY, ROOM = Path("/dev/shm"), 4 * 1024**3  # noqa: S108 - a folder of its own is made in it
DEPLOYMENTS = ("sqlite", "postgresql", "postgresql+redis")
SERVICES = {
    "chromium": "chromium", "postgresql": "pg_ctlcluster", "redis-server": "redis-server", "wrk": "wrk",
    "nginx-light": "/usr/sbin/nginx", "openssl": "openssl",
    # For relying parties that are not ours, tests/interop. The package apache2 would start a server, these two do not.
    "nodejs": "node", "npm": "npm", "apache2-bin": "/usr/sbin/apache2",
    "libapache2-mod-auth-openidc": "/usr/lib/apache2/modules/mod_auth_openidc.so",
}  # fmt: skip


def run(*command: str | Path, **options: object) -> int:
    """Run a command in the project's folder and return its exit code."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False, **options).returncode  # type: ignore[call-overload, no-any-return]


def prepare_environment() -> None:
    """Make .venv from the lock file; nothing to do when the lock has not changed since."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if PYTHON.exists() and STAMP.is_file() and STAMP.read_text() == wanted:
        return
    check_pip()
    print("Installing the locked packages into .venv (once, about a minute) …", flush=True)
    if run(sys.executable, "-m", "venv", "--without-pip", "--clear", VENV):
        sys.exit("python3 could not make a virtual environment in .venv; the lines above say why")
    if run(sys.executable, "-m", "pip", "--python", PYTHON, "install", "--quiet", "--require-hashes", "-r", LOCK):
        sys.exit("pip could not install requirements.lock; the lines above say why. Is the network there?")
    STAMP.write_text(wanted)


def check_pip() -> None:
    """The system's pip fills the environment; the option for that came with 22.3."""
    shown = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    if shown.returncode:
        sys.exit("pip is missing; on Debian: apt-get install python3-pip")
    version = tuple(int(part) for part in shown.stdout.split()[1].split(".")[:2])
    if version < OLDEST_PIP:
        sys.exit(f"pip {version[0]}.{version[1]} is too old, {OLDEST_PIP[0]}.{OLDEST_PIP[1]} or later is needed")


def missing_services() -> list[str]:
    """The packages whose sign is not there: a program on the PATH, or a file that is none or stands off it."""
    return [
        package
        for package, sign in SERVICES.items()
        if not (Path(sign).exists() if Path(sign).is_absolute() else shutil.which(sign))
    ]


def prepare_services() -> None:
    """Install what tests need from Debian when root; else say what is missing."""
    missing = missing_services()
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
        run("apt-get", "update", "-qq", **quiet)
        if run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, **quiet) == 0:
            return
    message = f"the tests need {', '.join(missing)} (Debian packages); install them and start again"
    if os.environ.get("CI"):
        sys.exit(message)
    print(f"Note: {message}. Tests that need them will fail.", flush=True)


def check() -> int:
    """Lint, types and floors."""
    bin_folder = VENV / "bin"
    return (
        run(bin_folder / "ruff", "check", ".")
        or run(bin_folder / "ruff", "format", "--check", ".")
        or run(PYTHON, "-m", "mypy")
        or run(bin_folder / "lint-imports")
    )


def test(arguments: list[str], *, long: bool, on: str | None) -> int:
    """Check, then every test; `--long` adds the full-size fault, load and fuzz runs, `--on` names one deployment."""
    prepare_services()
    failed = check()
    if failed:
        return failed
    marks = ["--every-engine"] if long else ["-m", "not long"]
    marks += ["--on", on] if on else []
    shared = ["-n", str(os.cpu_count() or 2), "--dist", "worksteal"]  # a long test at the end leaves nobody idle
    with scratch() as folder:
        environ = {**os.environ, "TMPDIR": folder}
        return run(PYTHON, "-m", "pytest", "-q", *shared, *marks, *arguments, env=environ)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Where the tests keep their databases: in memory where there is room, for a disk that is asked after each
    commit takes a third of their time.
    """
    is_roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    folder = tempfile.TemporaryDirectory(prefix="connect-", dir=MEMORY if is_roomy else None)
    Path(folder.name).chmod(0o711)  # PostgreSQL runs as somebody else
    return folder


def hand_over(module: str, arguments: list[str]) -> int:
    """To the demonstration or the cluster, which ends with Ctrl-C."""
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", module, *arguments])


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py", description="Set up, check and test Connect.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="lint, types, floors")
    commands.add_parser("demo", help="the whole product with sample portals, letters and an inbox; takes --port")
    commands.add_parser("cluster", help="two instances behind nginx, PostgreSQL, Redis, worker; takes --port")
    commands.add_parser("bench", add_help=False, help="measurements with their targets; names, --quick")
    tests = commands.add_parser("test", help="check, then all tests; further arguments go to pytest")
    tests.add_argument("--long", action="store_true", help="also the full-size fault, load and fuzz runs")
    tests.add_argument("--on", choices=DEPLOYMENTS, help="all tests on this deployment, and none on another")
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"Connect needs Python 3.11 or later; this is Python {sys.version.split()[0]}")
    options, rest = parser.parse_known_args()
    if rest and options.command == "check":
        parser.error(f"check takes no arguments: {' '.join(rest)}")
    prepare_environment()
    if options.command == "demo":
        return hand_over("examples.demo", rest)
    if options.command == "cluster":
        prepare_services()
        return hand_over("examples.cluster", rest)
    if options.command == "bench":
        return run(PYTHON, "-m", "bench", *rest)
    return check() if options.command == "check" else test(rest, long=options.long, on=options.on)


if __name__ == "__main__":
    sys.exit(main())
