"""What waits for the disk (docs/decisions/0035): every form before its answer, once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, g
from sqlalchemy import Connection, event

from idp.models.base import ALONE, db
from idp.models.flow import AttemptCounter
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import PASSWORD
from tests.support.person import Person, newest_code
from tests.support.walks import add_account

pytestmark = pytest.mark.both_engines
EMAIL = "owner@example.ch"
ASK = {"sqlite": "PRAGMA synchronous", "postgresql": "SHOW synchronous_commit"}
WAITS = {2, "on"}


def waits(connection: Connection) -> bool:
    cursor = connection.connection.cursor()
    cursor.execute(ASK[connection.dialect.name])
    return cursor.fetchone()[0] in WAITS  # type: ignore[index]


@pytest.fixture
def commits(web: Flask) -> Iterator[list[bool]]:
    """Of each commit of something written, whether it waits."""
    found, writes = list[bool](), list[bool]()

    def _sent(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if ALONE in g and not statement.startswith("SELECT"):
            found.append("synchronous_commit" not in statement)  # it is committed by itself
        else:
            writes.append(not statement.startswith("SELECT"))

    def _committed(connection: Connection) -> None:
        if any(writes):
            found.append(waits(connection))
        writes.clear()

    def _connected(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("SET synchronous_commit = on")  # the tests' server waits for nothing
        connection.commit()  # type: ignore[attr-defined]

    with web.app_context():
        engine = db.engine
    listeners = {"before_cursor_execute": _sent, "commit": _committed}
    if engine.dialect.name == "postgresql":
        listeners["connect"] = _connected
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    engine.dispose()
    yield found
    for name, listener in listeners.items():
        event.remove(engine, name, listener)
    engine.dispose()


def test_a_form_waits_for_the_disk_once_after_all_that_it_wrote(
    web: Flask, portal: Portal, services: Services, commits: list[bool]
) -> None:
    add_account(services, portal, EMAIL)
    person = Person(web)
    person.open(f"/{portal.slug}/login")
    for entries in ({"email": EMAIL, "password": "wrong"}, {"email": EMAIL, "password": PASSWORD}, {"otp": "000000"}):
        commits.clear()
        person.submit(**entries)
        assert (commits[0], commits[-1]) == (False, True), entries
    commits.clear()
    person.submit(otp=newest_code("sms"))
    assert commits[0] is False
    assert commits.index(True) == len(commits) - 1


def test_a_form_that_pays_for_nothing_waits_too(web: Flask, portal: Portal, commits: list[bool]) -> None:
    person = Person(web)
    person.open(f"/{portal.slug}/login")
    commits.clear()
    person.submit(email=EMAIL)
    assert commits[-1] is True


def test_what_fails_on_the_way_is_counted_and_waited_for(
    web: Flask, portal: Portal, commits: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise RuntimeError

    person = Person(web)
    person.open(f"/{portal.slug}/login")
    monkeypatch.setattr("idp.services.passwords.Passwords.is_right", fail)
    commits.clear()
    person.submit(email=EMAIL, password=PASSWORD)
    assert person.page.status_code == 500
    assert (commits[0], commits.count(True), commits[-1]) == (False, 1, True)
    assert db.session.query(AttemptCounter).count() == 1
