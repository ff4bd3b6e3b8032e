"""F-20: two tabs, two portals, finished in any order, with bookmarks and Back: each tab returns to its own portal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import PASSWORD, letter, link, sign_in
from tests.support.builders import add_portal
from tests.support.person import Person, newest_code
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of
from tests.support.walks import BORN, add_account

pytestmark = pytest.mark.both_engines


@pytest.fixture
def fon(web: Flask, services: Services, portal: Portal) -> RelyingParty:
    """Portal B; the account of helene@example.ch is linked to A and B."""
    other = add_portal("fon", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    add_account(services, portal, "helene@example.ch")
    link(services, other)
    return RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET)


def tab_of(person: Person, web: Flask) -> Person:
    tab = Person(web)
    tab.client = person.client
    return tab


def test_two_sign_ins_finished_in_reverse_return_each_to_its_own_portal(
    web: Flask, rp: RelyingParty, fon: RelyingParty, clock: FrozenClock
) -> None:
    a = Person(web)
    b = tab_of(a, web)
    a.open(rp.request(state="of-a"))
    a.submit(email="helene@example.ch", password=PASSWORD)
    clock.advance(timedelta(seconds=5))
    b.open(fon.request(state="of-b"))
    sign_in(b)
    at_b = answer_of(b.address)
    assert (b.address.split("?")[0], at_b["state"]) == (fon.redirect_uri, "of-b")
    a.submit(otp="123456")  # the older tab goes on where it was: nothing is asked again
    assert a.title == "Votre session est déjà ouverte."
    go = a.text.split('class="button" href="')[1].split('"')[0]
    assert go.startswith("/authorize/resume/")
    a.open(go)
    at_a = answer_of(a.address)
    assert (a.address.split("?")[0], at_a["state"]) == (rp.redirect_uri, "of-a")
    assert rp.redeem(at_a["code"]).status_code == fon.redeem(at_b["code"]).status_code == 200
    assert len(db.session.scalars(select(Session)).all()) == 1


def test_two_sign_ins_finished_in_order_do_the_same(
    web: Flask, rp: RelyingParty, fon: RelyingParty, clock: FrozenClock
) -> None:
    a = Person(web)
    b = tab_of(a, web)
    a.open(rp.request())
    b.open(fon.request())
    clock.advance(timedelta(seconds=5))
    sign_in(a)
    assert answer_of(a.address)["code"]
    b.open(b.address)
    assert b.title == "Votre session est déjà ouverte."
    b.open(b.text.split('class="button" href="')[1].split('"')[0])
    assert b.address.startswith(fon.redirect_uri)


def test_asking_again_at_one_portal_signs_nobody_out_of_the_other(
    web: Flask, rp: RelyingParty, fon: RelyingParty, clock: FrozenClock
) -> None:
    """prompt=login at A renews the session: the cookie changes, what B was given stays; another person's ends it."""
    person = Person(web)
    person.open(fon.request())
    sign_in(person)
    tokens = fon.redeem(answer_of(person.address)["code"]).get_json()
    cookie = person.client.get_cookie("connect_session")
    assert cookie is not None
    old = cookie.value
    clock.advance(timedelta(minutes=3))
    person.open(rp.request(prompt="login"))
    sign_in(person)
    assert "code" in answer_of(person.address)
    refreshed = fon.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200
    after = fon.claims(refreshed.get_json()["id_token"])
    before = fon.claims(tokens["id_token"])
    assert (after["auth_time"], after["sid"]) == (before["auth_time"], before["sid"])
    stolen = Person(web)
    stolen.client.set_cookie("connect_session", old)
    stolen.open("/account")
    assert "helene@example.ch" not in stolen.text


def test_another_persons_sign_in_ends_what_the_first_one_gave(
    web: Flask, services: Services, portal: Portal, rp: RelyingParty, fon: RelyingParty, clock: FrozenClock
) -> None:
    add_account(services, portal, "paul@example.ch", "sms", "+41790000001")
    person = Person(web)
    person.open(rp.request())
    sign_in(person)
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    clock.advance(timedelta(minutes=3))
    person.open(rp.request(prompt="login"))
    sign_in(person, "paul@example.ch")
    assert rp.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert rp.userinfo(tokens["access_token"]).status_code == 401


def test_two_letters_in_two_tabs_register_each_for_its_own_portal(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """U16: one browser, two persons of one household, in turns; both finish for the right person and portal."""
    other = add_portal("fon")
    codes = [letter(services, portal, "P-1"), letter(services, other, "P-2")]
    a = Person(web)
    b = tab_of(a, web)
    for tab, slug, code in ((a, "cpx", codes[0]), (b, "fon", codes[1])):
        tab.open(f"/{slug}/register/code")
        tab.submit(code=code)
    mails = []
    for tab, email in ((a, "anna@example.ch"), (b, "beat@example.ch")):
        tab.submit(email=email)
        mails.append(newest_code("mail"))
    for tab, code in ((b, mails[1]), (a, mails[0])):
        tab.submit(otp=code)
    details = {"birth_date": BORN, "password": PASSWORD, "terms": "yes", "factor": "sms"}
    texts = []
    for tab, mobile in ((a, "079 111 11 11"), (b, "079 222 22 22")):
        tab.submit(**details, mobile=mobile)
        texts.append(newest_code("sms"))
    b.submit(otp=texts[1])
    a.submit(otp=texts[0])
    for tab, account, home in ((a, "anna@example.ch", portal), (b, "beat@example.ch", other)):
        assert account in tab.text
        assert f'href="{home.home_url}"' in tab.text
        row = db.session.scalars(select(Account).where(Account.email == account)).one()
        records = services.accounts.records_of(row.id)
        assert [record.portal_id for record in records] == [home.id]


def test_a_bookmarked_step_leads_to_a_page_to_begin_at(web: Flask, portal: Portal) -> None:
    person = Person(web)
    for path in ("login/code", "login/methods", "register/email", "register/email-code", "register/details",
                 "register/sms", "register/app", "register/done", "link/details", "link/account"):  # fmt: skip
        person.open(f"/cpx/{path}")
        assert person.page.status_code == 200
        journey = path.split("/")[0]
        assert person.address.startswith(f"/cpx/{journey}" if path != "register/done" else "/cpx/login")
        person.open(f"/cpx/{path}?f={'A' * 22}")
        assert person.page.status_code == (200 if path == "register/done" else 410)
