"""What the endpoints for machines know of portals: of this process at once, of others within a second."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import event, inspect
from sqlalchemy import text as sql
from sqlalchemy.orm.exc import UnmappedInstanceError

from idp.models import known_portals
from idp.models.base import db
from idp.models.known_portals import known_client, known_portal, known_slug
from idp.models.portal import Portal, find_client
from tests.support.builders import BORN, add_portal


@pytest.fixture
def asked(app: Flask) -> list[str]:
    """The statements of this test."""
    seen: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _k, text, *_: seen.append(text))
    return seen


def test_it_is_read_once_under_all_its_names(portal: Portal, asked: list[str]) -> None:
    ident, client_id, slug = portal.id, portal.client_id, portal.slug
    asked.clear()
    first = known_client(client_id)
    assert first is not None
    assert known_portal(ident) is first
    assert known_client(client_id) is first
    assert known_slug(slug) is first
    assert len(asked) == 1


def test_it_says_what_its_row_says_and_is_only_read(portal: Portal) -> None:
    known = known_slug(portal.slug)
    assert known is not None
    assert {name: getattr(known, name) for name in known_portals.COLUMNS} == {
        attribute.key: getattr(portal, attribute.key) for attribute in inspect(Portal).column_attrs
    }
    assert (known.name("de"), known.opening_hours("it")) == (portal.name("de"), portal.opening_hours("it"))
    with pytest.raises(AttributeError, match="disabled_at"):
        known.disabled_at = BORN
    with pytest.raises(UnmappedInstanceError):
        db.session.add(known)


def test_what_this_process_commits_counts_at_once(portal: Portal) -> None:
    client_id, ident, slug = portal.client_id, portal.id, portal.slug
    assert known_client(client_id)
    row = db.session.get_one(Portal, ident)
    row.disabled_at = BORN
    db.session.flush()
    row.disabled_at = None
    db.session.rollback()
    assert known_client(client_id)
    db.session.get_one(Portal, ident).disabled_at = BORN
    db.session.commit()
    assert known_client(client_id) is None
    assert known_portal(ident) is None
    assert known_slug(slug) is None


def test_what_was_read_before_a_commit_is_not_kept_after_it(
    app: Flask, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_id, ident, find = portal.client_id, portal.id, find_client

    def overtaken(name: str) -> Portal | None:
        found = find(name)
        with app.app_context():
            db.session.get_one(Portal, ident).disabled_at = BORN
            db.session.commit()
        return found

    monkeypatch.setattr(known_portals, "find_client", overtaken)
    assert known_client(client_id), "it was enabled when it was read"
    monkeypatch.undo()
    assert known_client(client_id) is None
    assert known_portal(ident) is None


def test_what_another_process_did_counts_within_a_second(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = portal.client_id
    assert known_client(client_id)
    db.session.execute(sql("UPDATE portal SET place = 'Elsewhere'"))  # past the mapper, so unseen as another's write
    db.session.commit()
    now = known_portals.time.monotonic()
    monkeypatch.setattr(known_portals.time, "monotonic", lambda: now + known_portals.FRESH_FOR_S)
    found = known_client(client_id)
    assert found is not None
    assert found.place == "Elsewhere"


def test_strangers_fill_no_memory(app: Flask) -> None:
    for number in range(50):
        assert known_client(f"nobody-{number}") is None
    assert known_portals._known() == {}


def test_a_new_portal_is_known(app: Flask) -> None:
    assert known_client("client-new") is None
    add_portal("new")
    assert known_client("client-new")
