"""`python3 dev.py` on machines that lack something: it says what, in a line."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT

BASE = getattr(sys, "_base_executable", sys.executable)  # a Python with pip; that of the tests has none
PRETEND = """
import runpy, sys
sys.version_info, sys.version = (3, 10, 9, "final", 0), "3.10.9 (main)"
sys.argv = ["dev.py", "check"]
runpy.run_path("dev.py", run_name="__main__")
"""
OLD_PIP = "import sys; print('pip 20.3.4 from here (python 3.11)'); sys.exit(0)"
MOST_CPU_S = 3


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The script and the lock as a fresh clone has them, without an environment."""
    for name in ("dev.py", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(clone: Path, *words: str, python: str = BASE, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [python, *words], cwd=clone, env={**os.environ, **environ}, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_a_python_that_is_too_old_is_told(clone: Path) -> None:
    code, said = run(clone, "-c", PRETEND)
    assert (code, said) == (1, "Connect needs Python 3.11 or later; this is Python 3.10.9\n")


def test_a_missing_pip_is_told_before_anything_is_made(clone: Path) -> None:
    code, said = run(clone, "dev.py", "check", python=sys.executable)
    assert (code, said) == (1, "pip is missing; on Debian: apt-get install python3-pip\n")
    assert not (clone / ".venv").exists()


def test_a_pip_that_is_too_old_is_told(clone: Path) -> None:
    package = clone / "elsewhere" / "pip"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(OLD_PIP)
    code, said = run(clone, "dev.py", "check", PYTHONPATH=str(package.parent))
    assert (code, said) == (1, "pip 20.3 is too old, 22.3 or later is needed\n")


def test_a_missing_network_is_told_and_the_next_start_tries_again(clone: Path) -> None:
    for _ in range(2):
        code, said = run(
            clone, "dev.py", "check", PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="0", PIP_NO_CACHE_DIR="1"
        )
        assert code == 1
        assert said.startswith("Installing the locked packages")
        assert said.endswith("the lines above say why. Is the network there?\n")


def test_a_second_start_installs_nothing_and_hands_over_at_once(clone: Path) -> None:
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "started $*"\n')
    python.chmod(0o755)
    lock = hashlib.sha256((clone / "requirements.lock").read_bytes()).hexdigest()
    (clone / ".venv" / "lock.sha256").write_text(lock)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in ("demo", "cluster"):
        code, said = run(clone, "dev.py", command, "--port", "8100")
        assert (code, said) == (0, f"started -m examples.{command} --port 8100\n")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < MOST_CPU_S


def test_a_package_is_known_by_its_program_or_by_a_file_that_is_none(clone: Path) -> None:
    module = clone / "module.so"
    module.touch(0o644)
    signs = {"shell": "sh", "module": str(module), "lost": "no-such-program", "gone": str(clone / "gone.so")}
    code, said = run(clone, "-c", f"import dev; dev.SERVICES = {signs}; print(dev.missing_services())")
    assert (code, said) == (0, "['lost', 'gone']\n")


def test_slips_are_told(clone: Path) -> None:
    for words in ((), ("tset",), ("check", "-k", "letters")):
        code, said = run(clone, "dev.py", *words)
        assert code == 2, said
        assert "usage: dev.py" in said
