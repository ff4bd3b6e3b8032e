"""Relying parties in Node as objects: openid-client and oauth4webapi, implementations that share no line with us."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.authority import Authority

FOLDER = Path(__file__).parent
STAMP = Path("node_modules/lock.sha256")
INSTALLED_WITHIN_S = 180


class Refused(Exception):
    """The library did not accept an answer; `said` is what it says of it."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__(json.dumps(said))
        self.said = said


def install(folder: Path) -> None:
    """Fill the folder's node_modules from its lock file, once for all workers of a test run."""
    missing = [program for program in ("node", "npm") if shutil.which(program) is None]
    if missing:
        raise AssertionError(f"this needs {' and '.join(missing)}: apt-get install nodejs npm")
    wanted, stamp = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest(), folder / STAMP
    with (folder / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder, capture_output=True, text=True, timeout=INSTALLED_WITHIN_S,
        )  # fmt: skip
        assert done.returncode == 0, f"npm ci could not fill {folder.name}/node_modules:\n{done.stderr}"
        stamp.write_text(wanted)


class NodeParty:
    """One process of a script beside this file, which does one task after another."""

    def __init__(self, script: str, authority: Authority | None) -> None:
        install(FOLDER)
        environ = dict(os.environ)
        if authority is not None:
            environ["NODE_EXTRA_CA_CERTS"] = str(authority.file)
        self._node = subprocess.Popen(
            ["node", "--require", str(FOLDER / "web_crypto.cjs"), str(FOLDER / script)],
            env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def do(self, task: str, **given: Any) -> dict[str, Any]:
        """Raises `Refused` when the library does not accept what it was answered."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps({"task": task, **given}) + "\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        assert line, "the relying party ended; its words stand above"
        outcome: dict[str, Any] = json.loads(line)
        if "failed" in outcome:
            raise Refused(outcome["failed"])
        done: dict[str, Any] = outcome["done"]
        return done

    def close(self) -> None:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.close()
        self._node.wait(timeout=10)
        self._node.stdout.close()
