"""A call with one person: their screen without a value, a new code within the limits, and notes that stay."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.call_note import CallNote
from idp.models.flow import Challenge
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.housekeeping import Kept, clean
from tests.actions import PASSWORD, enter_details, letter, register
from tests.support.console import said
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person, newest_code
from tests.support.resets import asked

pytestmark = pytest.mark.sqlite_only
EMAIL, ANNA = "olga@fund.example.ch", "helene@example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["support@cpx"])
    return sign_in(web, services, EMAIL)


def only() -> InsuredPerson:
    db.session.rollback()
    return db.session.scalars(select(InsuredPerson)).one()


def codes() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Challenge)) or 0


def test_the_preview_shows_the_heading_that_the_person_sees_at_every_step_and_no_value(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    code = letter(services, portal)
    caller = Person(web)
    caller.open("/cpx/register/code")
    caller.submit(code=code)
    page, typed = f"/admin/persons/{only().id}/call", [code]
    steps = [
        lambda: caller.submit(email=ANNA),
        lambda: caller.submit(otp=newest_code("mail")),
        lambda: enter_details(caller, factor="sms", mobile="079 123 45 67"),
    ]
    for step in [*steps, lambda: None]:
        olga.open(page)
        assert caller.title in olga.text
        for value in (*typed, ANNA, PASSWORD, "79 123 45 67", "27.3.1958"):
            assert value not in olga.text, value
        step()
    caller.submit(otp="000000")
    olga.open(page)
    assert "Ce code n’est pas juste" in said(olga)


def test_a_new_code_goes_where_the_walk_sent_one_and_the_pauses_hold(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    register(web, services, portal)
    clock.advance(timedelta(minutes=2))
    caller = Person(web)
    caller.open("/cpx/login")
    caller.submit(email=ANNA, password=PASSWORD)
    before, first = codes(), newest_code("sms")
    page = f"/admin/persons/{only().id}/call"
    olga.open(page)
    olga.submit(1)
    assert "il y a peu" in olga.text
    assert codes() == before
    clock.advance(timedelta(minutes=1))
    olga.open(page)
    olga.submit(1)
    assert "en route" in olga.text
    assert codes() == before + 1
    second = newest_code("sms")
    assert second not in olga.text
    assert first not in olga.text
    caller.submit(otp=second)
    assert caller.address == portal.home_url
    olga.open(page)
    assert "call/resend" not in olga.text


def test_a_note_stays_is_sealed_and_goes_when_its_time_is_over(
    services: Services, portal: Portal, web: Flask, olga: Person, clock: FrozenClock
) -> None:
    letter(services, portal)
    page = f"/admin/persons/{only().id}/call"
    olga.open(page)
    for wrong in ("", "x" * 1001):
        olga.submit(1, note=wrong)
        assert olga.errors() == ["note"]
    olga.submit(1, note="Rappelle lundi <b>tôt</b>")
    assert "Rappelle lundi &lt;b&gt;tôt" in olga.text
    db.session.rollback()
    row = db.session.scalars(select(CallNote)).one()
    assert "Rappelle" not in row.sealed_text
    assert not re.search("note|Rappelle", olga.address.split("?")[0].split("/")[-1])
    clean(clock.now() + timedelta(days=729), Kept())
    assert db.session.scalars(select(CallNote)).all()
    clean(clock.now() + timedelta(days=731), Kept())
    assert not db.session.scalars(select(CallNote)).all()


def test_nobody_sends_themselves_a_code_from_the_desk(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    register(web, services, portal)
    account = services.accounts.find(ANNA)
    assert account is not None
    services.totp.enrol(account.id, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", 0)
    _, invitation = services.operators.invite(ANNA, ["support@cpx"], None)
    services.operators.accept(invitation, account)
    db.session.commit()
    herself = sign_in(web, services, ANNA)
    clock.advance(timedelta(minutes=2))
    caller = Person(web)
    caller.open("/cpx/reset")
    caller.submit(email=ANNA)
    clock.advance(timedelta(minutes=1))
    page, before = f"/admin/persons/{only().id}/call", codes()
    herself.open(page)
    assert "C’est vous-même" in herself.text
    herself.post((f"{page}/resend", herself.filled(0)[1]))
    assert codes() == before
    olga.open(page)
    olga.submit(1)
    assert codes() == before + 1


def test_whoever_was_written_about_reads_it_in_their_own_data(web: Flask, services: Services, portal: Portal) -> None:
    owner = register(web, services, portal)
    by = add_operator(services, EMAIL, ["support@cpx"])
    services.calls.note(only(), by, "Rappelle lundi")
    account = services.accounts.find(ANNA)
    assert account is not None
    asked(services, account, portal, by)
    held = owner.client.get("/account/data.json", base_url=ISSUER).get_json()
    assert [(one["portal"], one["text"]) for one in held["call_notes"]] == [("cpx", "Rappelle lundi")]
    assert [one["portal"] for one in held["factor_resets"]] == ["cpx"]
    owner.open("/account/data")
    assert "Rappelle lundi" in owner.text
