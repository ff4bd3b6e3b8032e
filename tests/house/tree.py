"""The files of the project, as its history knows them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("idp", "flows", "keys")
BINARY = {".woff2", ".png", ".ico", ".pdf", ".bin"}


@lru_cache(maxsize=1)
def tracked() -> tuple[Path, ...]:
    """Every file under version control that is on the disk, and every new one that is not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return tuple(file for file in files if file.is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of each file that is text."""
    for file in tracked():
        if file.suffix not in BINARY:
            yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")


def product() -> Iterator[tuple[str, ast.Module]]:
    """Name and syntax tree of each module that runs in production."""
    for file in tracked():
        name = str(file.relative_to(ROOT))
        if file.suffix == ".py" and (name.split("/")[0] in PRODUCT or name == "wsgi.py"):
            yield name, ast.parse(file.read_text(encoding="utf-8"))
