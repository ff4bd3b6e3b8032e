"""What an operator installs is whole: the wheel is built, installed into an empty folder, and put to work there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.tree import ROOT, tracked

Run = Callable[..., str]
SERVED = """
from wsgi import app
client = app.test_client()
for path in ("/", "/help", "/cpx/login", "/static/connect.css", "/.well-known/openid-configuration", "/jwks", "/livez"):
    answer = client.get(path, base_url="http://localhost:8000", follow_redirects=True)
    assert answer.status_code == 200, (path, answer.status_code)
import idp, flows, keys, wsgi
for part in (idp, flows, keys, wsgi):
    print(part.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the backend that pyproject.toml names, without fetching anything."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture
def installed(wheel: Path, tmp_path: Path, environment: dict[str, str]) -> Run:
    """Runs Python with the installed wheel, where nothing of the source tree can be imported."""
    target, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    base = getattr(sys, "_base_executable", sys.executable)  # the environment of the tests has no pip
    pip = [base, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    done = subprocess.run(pip, capture_output=True, text=True, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})
    assert done.returncode == 0, done.stderr
    given = {**environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(target), "CONNECT_EMBEDDED_WORKER": "false"}

    def run(*words: str | Path, code: int = 0) -> str:
        command = [sys.executable, *(str(word) for word in words)]
        done = subprocess.run(command, cwd=empty, env=given, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_everything_that_is_no_test_is_in_the_wheel(wheel: Path) -> None:
    there = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = set()
    for file in tracked():
        name = file.relative_to(ROOT)
        if name.parts[0] in {"idp", "flows", "keys"} and file.name != ".gitignore":
            wanted.add(str(name))
        elif name.parts[0] == "templates":
            wanted.add(str(Path("idp/_templates", *name.parts[1:])))
    assert there - {"keys/.gitignore"} == wanted | {"wsgi.py"}


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    said = archive.read(metadata).decode()
    assert "Name: connect-idp\n" in said
    assert "License-Expression: Apache-2.0" in said
    licences = [name.rpartition("/")[2] for name in archive.namelist() if "/licenses/" in name]
    assert sorted(licences) == ["LICENSE", "LICENSES.txt", "OFL.txt"]
    assert "connect = idp.cli.main:run" in archive.read(metadata.replace("METADATA", "entry_points.txt")).decode()


def test_an_installed_wheel_does_its_work(installed: Run, tmp_path: Path) -> None:
    """The first installation of docs/operations.md, and then the web."""
    details = tmp_path / "cpx.json"
    details.write_text(
        json.dumps(
            {
                "slug": "cpx", "names": {"fr": "Caisse X"}, "short_name": "Caisse X", "phone": "058 123 45 67",
                "email": "aide@cpx.example.ch", "home_url": "https://cpx.example.ch/",
                "redirect_uris": ["https://cpx.example.ch/callback"],
            }
        )
    )  # fmt: skip
    connect = ("-m", "idp.cli")
    assert "connect 0.1.0" in installed(*connect, "--version")
    assert "was empty" in installed(*connect, "db", "upgrade")
    installed(*connect, "key", "rotate")
    installed(*connect, "portal", "add", "--from", details)
    installed(*connect, "person", "import", ROOT / "examples" / "persons-a.csv", "--portal", "cpx")
    letters = tmp_path / "letters.pdf"
    installed(*connect, "code", "issue", "--portal", "cpx", "--person", "A-0001", "--letters", letters)
    assert letters.read_bytes().startswith(b"%PDF")
    told = installed(*connect, "check", code=1).splitlines()
    assert [line.split(":")[0] for line in told] == ["mail server localhost", "SMS gateway localhost"]
    served = installed("-c", SERVED).splitlines()
    places = [line for line in served if not line.startswith("{")]
    assert len(places) == 4
    assert all(place.startswith(str(tmp_path / "site")) for place in places), places
