"""What must never be in the history: secrets, keys, paths and hosts of somebody's machine; and a lock that locks."""

from __future__ import annotations

import re
import subprocess
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import ROOT, texts, tracked

# In pieces, so that this file does not find itself.
SECRETS = (
    "-----BEGIN [A-Z ]*" + "PRIVATE KEY",
    r'"d"\s*:\s*"[A-Za-z0-9_-]{20,}"',  # the private part of a JWK
    r"\bcc_(?:cs|at|rt|code|br|ss)_[A-Za-z0-9]{43}\b",  # our own
    r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=(?![\w+/=])",  # 32 bytes in base64: a master key
    r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[bp]-\d|\bsk-[A-Za-z0-9]{32}",
)
MACHINES = ("/ho" + "me/", "/ro" + "ot/", "/Us" + "ers/", "/wo" + "rk/", "/tm" + "p/wt", r"[A-Z]:\\Us" + "ers")
REGISTRIES = (r"pyp" + r"i\.org", r"python" + r"hosted\.org", r"npm" + r"js\.org", r"index-" + "url", r"proxy\.golang")
KEPT_OUT = {".pem", ".key", ".p12", ".pfx", ".jks", ".db", ".sqlite", ".sqlite3", ".env", ".part", ".log"}


def found(patterns: tuple[str, ...]) -> list[str]:
    wanted = re.compile("|".join(patterns))
    return [
        f"{name}:{number}"
        for name, content in texts()
        for number, line in enumerate(content.splitlines(), 1)
        if wanted.search(line)
    ]


def test_no_secret_and_no_private_key_is_kept() -> None:
    assert found(SECRETS) == []
    assert [
        str(file) for file in tracked() if file.suffix in KEPT_OUT or file.name.startswith(("id_rsa", "id_ed25519"))
    ] == []


def test_the_patterns_find_what_they_are_for() -> None:
    wanted = re.compile("|".join(SECRETS))
    for secret in (
        "-----BEGIN EC " + "PRIVATE KEY-----", '{"kty":"EC","d":"' + "a" * 43 + '"}', "cc_cs_" + "a" * 43,
        "CONNECT_MASTER_KEY=" + "a" * 42 + "b=",
    ):  # fmt: skip
        assert wanted.search(secret), secret


def test_nothing_tells_of_somebodys_machine() -> None:
    assert found(MACHINES) == []
    assert found(REGISTRIES) == []


def test_the_folder_of_the_key_code_admits_code_alone() -> None:
    assert {file.suffix for file in tracked() if file.parent == ROOT / "keys"} == {".py", ""}
    assert (ROOT / "keys" / ".gitignore").read_text().split() == ["*", "!.gitignore", "!*.py"]


def test_what_a_run_leaves_behind_is_ignored() -> None:
    left = (
        ".venv", "demo-data/8000/secrets.json", "connect.db", "connect.db-wal", "connect.db-shm", "master.key",
        ".letters.pdf.part", "letters.pdf", "idp/__pycache__/x.pyc", ".coverage", "dist/connect_idp-0.1.0.whl",
        "build/x", ".pytest_cache/x", ".mypy_cache/x", ".ruff_cache/x", ".hypothesis/x", "node_modules/x", "uv.lock",
        ".env", "test-artifacts/x.png", "connect_idp.egg-info/PKG-INFO",
    )  # fmt: skip
    command = ["git", "check-ignore", "--stdin", "--no-index"]
    ignored = subprocess.run(command, cwd=ROOT, input="\n".join(left), capture_output=True, text=True).stdout
    assert ignored.split() == list(left)


def lock() -> dict[str, str]:
    """Name and version of each locked package; every line is one of the two kinds that may be there."""
    entries: dict[str, str] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line):
            continue
        entry = re.fullmatch(r"([a-z0-9.-]+)==([\w.]+)(?: ; .+)? \\", line)
        assert entry, line
        entries[entry[1]] = entry[2]
    return entries


def test_the_lock_checks_hashes_and_names_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert " @ " not in text
    assert "--hash" not in text.split("\n")[0]
    hashes = re.findall(r"--hash=sha256:", text)
    assert len(hashes) > len(lock()) > 60
    assert not re.search(r"\\\n(?!    --hash)", text), "an entry without a hash"


def test_the_lock_satisfies_what_the_project_asks_for() -> None:
    locked = lock()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for requirement in map(Requirement, asked):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not locked"
        assert version in requirement.specifier, f"{requirement}: {version} is locked"
