"""Each module stands on a floor and reaches only downwards."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.house.tree import ROOT, product

DATA = {"idp.static", "idp.translations", "idp.migrations"}  # migrations run inside Alembic, and import what they like


def test_the_floors_are_kept() -> None:
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_package_stands_on_a_floor() -> None:
    """A layers contract is silent about what it does not name."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = {name for layer in contracts[0]["layers"] for name in layer.replace(":", " ").replace("|", " ").split()}
    there = {
        ".".join(Path(name).with_suffix("").parts[: 2 if name.startswith("idp/") else 1])
        for name, _ in product()
        if name != "wsgi.py"
    }
    assert there - DATA - {"idp.__init__"} == named


def test_a_package_file_holds_a_docstring_only() -> None:
    """All but keys/, which names what it shows."""
    for name, tree in product():
        if name.endswith("__init__.py") and not name.startswith("keys/"):
            assert [type(node) for node in tree.body] == [ast.Expr], name
        assert ast.get_docstring(tree), f"{name} does not say what it is"
