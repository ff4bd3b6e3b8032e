"""Time, chance and the environment come in through one door each."""

from __future__ import annotations

import ast

import pytest

from tests.house.tree import ROOT, product

DOORS = {
    "datetime.now": {"idp/clock.py"},
    "os.environ": {"idp/settings.py"},
    "secrets.token_bytes": {"idp/chance.py"},
    # Floor 0 stands on nothing of the house, so it has its own way to the operating system's generator.
    "os.urandom": {"keys/master.py", "keys/envelope.py"},
    # What a stranger's clock will judge says the real time, whatever time a test lives in.
    "SystemClock": {"idp/services/assembly.py", "idp/services/mail.py", "idp/services/sms.py"},
    "SystemRandom": {"idp/services/assembly.py"},
}
CLOSED = {
    "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.localtime", "time.gmtime",
    "os.getenv", "os.putenv", "uuid4", "uuid.uuid4", "uuid1", "uuid.uuid1", "eval", "exec",
}  # fmt: skip

CLOSED_MODULES = {"random", "pickle", "marshal", "shelve"}


def dotted(node: ast.expr) -> str:
    """`datetime.now` of `datetime.now` and of `x.datetime.now`: the last two names of an expression."""
    if isinstance(node, ast.Attribute):
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        return f"{owner}.{node.attr}" if owner else node.attr
    return node.id if isinstance(node, ast.Name) else ""


def names(tree: ast.Module) -> set[str]:
    """What a module calls, reads or imports, by its last two names, apart from what it defines itself."""
    found = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    return found - {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def modules(tree: ast.Module) -> set[str]:
    """What a module imports from."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("what", DOORS)
def test_only_the_door_is_used(what: str) -> None:
    assert {name for name, tree in product() if what in names(tree)} == DOORS[what]


def test_there_is_no_other_way_in() -> None:
    assert {name: bad for name, tree in product() if (bad := names(tree) & CLOSED)} == {}
    assert {name: bad for name, tree in product() if (bad := modules(tree) & CLOSED_MODULES)} == {}
    assert {name for name, tree in product() if "secrets" in modules(tree)} == {"idp/chance.py"}


def test_the_lint_is_told_to_look_away_at_the_doors_alone() -> None:
    away = {name for name, _ in product() if "noqa: TID251" in (ROOT / name).read_text(encoding="utf-8")}
    assert away == {"idp/clock.py", "idp/chance.py", "idp/settings.py"}
