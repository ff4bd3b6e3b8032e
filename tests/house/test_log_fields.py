"""Every line our code logs is a constant event with fields that the log knows; others would come out hidden.

What looks like a secret is hidden in those, too, and the class of an error must not look like one.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import psycopg
import redis
import sqlalchemy.exc

from idp.chance import SystemRandom
from idp.services.registration_codes import generate
from idp.web.log import FIELDS, HIDDEN, scrub

ROOT = Path(__file__).resolve().parent.parent.parent
METHODS = {"debug", "info", "warning", "error", "critical", "exception"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Each `log.info(…)` and its like, with where it stands."""
    files = [ROOT / "wsgi.py", *(path for name in ("idp", "flows", "keys") for path in (ROOT / name).rglob("*.py"))]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id == "log":
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_events_are_words_and_fields_are_known() -> None:
    found = list(calls())
    assert len(found) > 5
    for place, call in found:
        event = call.args[0]
        assert isinstance(event, ast.Constant), f"{place}: the event is put together"
        assert str(event.value).replace("_", "").isalpha(), f"{place}: the event is no word"
        unknown = {keyword.arg for keyword in call.keywords} - FIELDS - {"exc_info"}
        assert not unknown, f"{place}: {unknown} would come out hidden, see FIELDS in idp/web/log.py"


def shown(error: str) -> str:
    return str(scrub(None, "warning", {"event": "redis_lost", "error": error})["error"])


def test_the_class_of_an_error_is_told_and_a_letter_code_is_not() -> None:
    for module in (builtins, psycopg, redis, sqlalchemy.exc):
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning):
                assert shown(kind.__name__) == kind.__name__
    for code in (generate(SystemRandom()) for _ in range(200)):
        for typed in (code, code.lower(), f"{code} of an Error", f"Error {code}"):
            assert HIDDEN in shown(typed)
            assert code.lower() not in shown(typed).lower()
