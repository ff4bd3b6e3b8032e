"""Saved views of the console's lists: filters under a name, for oneself alone, and never an address of elsewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.saved_view import SavedView
from idp.services.bundle import Services
from idp.services.list_rows import SOURCES, Asked
from idp.services.lists import KNOWN, Listing, address_of, read_filters
from idp.services.saved_views import LONGEST, MOST
from tests.support.console import said
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person

pytestmark = pytest.mark.sqlite_only
OLGA = "olga@fund.example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, OLGA, ["letters@cpx"])
    return sign_in(web, services, OLGA)


def save(olga: Person, query: str, name: str) -> None:
    olga.open(f"/admin/views/new?{query}")
    olga.submit(1, name=name)


def stored() -> list[SavedView]:
    db.session.rollback()
    return list(db.session.scalars(select(SavedView).order_by(SavedView.id).execution_options(populate_existing=True)))


def test_a_narrowed_list_is_saved_and_found_again_above_it(olga: Person) -> None:
    olga.open("/admin/codes")
    assert "/admin/views/new" not in olga.text, "there is nothing to save"
    olga.open("/admin/codes?portal=cpx&state=issued&before=x")
    assert 'href="/admin/views/new?list=codes&amp;portal=cpx&amp;state=issued"' in olga.text
    save(olga, "list=codes&portal=cpx&state=issued", "  Offene <Briefe> ")
    assert olga.address == "/admin/codes?portal=cpx&state=issued"
    here = '<a href="/admin/codes?portal=cpx&amp;state=issued" aria-current="page">Offene &lt;Briefe&gt;</a>'
    assert here in olga.text
    olga.open("/admin/codes")
    assert here.replace(' aria-current="page"', "") in olga.text
    olga.open("/admin/letters")
    assert "Offene" not in olga.text
    (view,) = stored()
    assert (view.name, view.filters) == ("Offene <Briefe>", {"portal": "cpx", "state": "issued"})


def test_it_is_renamed_and_removed_by_its_owner_alone(
    web: Flask, services: Services, olga: Person, clock: FrozenClock
) -> None:
    save(olga, "list=codes&state=issued", "Offen")
    save(olga, "list=codes&state=expired", "Zu spät")
    (view, other) = stored()
    add_operator(services, "clara@fund.example.ch", ["superuser"])
    clock.advance(timedelta(minutes=1))
    clara = sign_in(web, services, "clara@fund.example.ch")
    for page in ("/admin/codes", "/admin/views"):
        clara.open(page)
        assert "Offen" not in clara.text
    fields = clara.filled()[1] | {"name": "Mine"}
    for action in ("", "/remove"):
        address = f"/admin/views/{view.id}{action}"
        answer = clara.client.post(address, data=fields, base_url=ISSUER, headers={"Origin": ISSUER})
        assert answer.status_code == 404
    assert clara.client.get(f"/admin/views/{view.id}", base_url=ISSUER).status_code == 404
    olga.open(f"/admin/views/{view.id}")
    olga.submit(1, name="Zu spät")
    assert olga.errors() == ["name"]
    olga.submit(1, name="Wartend")
    assert olga.address == "/admin/views"
    assert "Wartend" in said(olga)
    olga.open(f"/admin/views/{view.id}")
    olga.submit(2)
    assert [one.id for one in stored()] == [other.id]


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * (LONGEST + 1), "a\nb", "a\x07", "a\u202eb", "a\u2028b", "a\u200bb", "\x1b[1m"],
    ids=["empty", "blank", "long", "newline", "bell", "override", "separator", "zero-width", "escape"],
)  # fmt: skip
def test_a_name_is_one_short_line_without_controls(olga: Person, name: str) -> None:
    save(olga, "list=codes&state=issued", name)
    assert olga.errors() == ["name"]
    assert stored() == []
    olga.submit(1, name="x" * LONGEST)
    assert olga.address == "/admin/codes?state=issued", "what was asked for stays"


def test_a_name_is_given_once_for_a_list_and_there_are_so_many_at_most(olga: Person) -> None:
    save(olga, "list=codes&state=issued", "Offen")
    save(olga, "list=codes&state=expired", "Offen")
    assert olga.errors() == ["name"]
    save(olga, "list=letters&state=draft", "Offen")
    for at in range(MOST - 2):
        save(olga, "list=codes&state=issued", f"V{at}")
    assert len(stored()) == MOST
    save(olga, "list=codes&state=issued", "One more")
    assert olga.errors() == ["name"]
    assert len(stored()) == MOST


@pytest.mark.no_database
def test_nothing_is_kept_of_an_address_but_known_parameters_with_plain_values() -> None:
    hostile = {
        "portal": "//evil.example", "status": "new", "state": "issued", "next": "https://evil.example",
        "q": "Müller", "kept": "x", "before": "x", "list": "x", "sort": "-name\r\nX: y",
    }  # fmt: skip
    assert read_filters(Listing.PERSONS, hostile) == {}
    assert read_filters(Listing.CODES, hostile) == {"state": "issued"}
    assert read_filters(Listing.AUDIT, {"person": "P-1", "tag": "a:b:c", "from": "2026-03-27"}) == {
        "tag": "a:b:c", "from": "2026-03-27",
    }  # fmt: skip
    for listing, known in KNOWN.items():
        assert {"q", "person", "kept", "before", "after"}.isdisjoint({*known.choices, *known.plain})
        assert address_of(listing, hostile).startswith(f"/admin/{listing}")


def test_every_filter_that_a_list_offers_is_known(web: Flask, services: Services, portal: Portal) -> None:
    """Else a view would forget it, and an export would hold more than the page showed."""
    add_operator(services, "clara@fund.example.ch", ["superuser"])
    clara = sign_in(web, services, "clara@fund.example.ch")
    for listing, known in KNOWN.items():
        clara.open(listing.address)
        shown = clara.text.partition('<form method="get"')[2].partition("</form>")[0]
        offered = set(re.findall(r'<(?:select|input)[^>]* name="(\w+)"', shown)) - {"kept", "person"}
        assert offered <= {*known.choices, *known.plain}, listing
        for name, choice in known.choices.items():
            options = shown.partition(f'name="{name}"')[2].partition("</select>")[0]
            assert set(re.findall(r'<option value="([^"]+)"', options)) == set(choice.values), (listing, name)


@pytest.mark.no_database
def test_every_known_filter_narrows_an_export() -> None:
    now = datetime(2026, 3, 27, 13, 30, tzinfo=UTC)
    for listing, source in SOURCES.items():
        for name, choice in KNOWN[listing].choices.items():
            for value in choice.values:
                assert str(source.found(Asked({name: value}, now))) != str(source.found(Asked({}, now))), (name, value)


def test_a_view_that_was_changed_in_the_database_leads_nowhere_else(olga: Person) -> None:
    save(olga, "list=codes&state=issued", "Offen")
    (view,) = stored()
    view.filters = {"state": "//evil.example", "next": "https://evil.example", "portal": "cpx"}
    db.session.commit()
    for page in ("/admin/codes", "/admin/views"):
        olga.open(page)
        assert 'href="/admin/codes?portal=cpx"' in olga.text
        assert "evil" not in olga.text


def test_the_words_of_a_search_are_never_saved(olga: Person) -> None:
    olga.open("/admin/persons?status=invited")
    olga.submit(1, q="Müller", status="invited")
    assert "kept=" in olga.address
    save(olga, "list=persons&status=invited&q=M%C3%BCller&kept=x", "Eingeladen")
    assert stored()[0].filters == {"status": "invited"}


def test_lists_that_one_may_not_see_have_no_views(web: Flask, services: Services, olga: Person) -> None:
    for query in ("list=audit&group=letters", "list=imports&portal=cpx", "list=nothing", ""):
        assert olga.client.get(f"/admin/views/new?{query}", base_url=ISSUER).status_code == 404
    save(olga, "list=codes&state=issued", "Offen")
    services.operators.change_roles(services.operators.load(OLGA).id, ["portal_admin@cpx"], None)
    db.session.commit()
    olga.open("/admin/views")
    assert "Offen" not in olga.text
