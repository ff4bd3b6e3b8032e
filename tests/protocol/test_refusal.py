"""A person who does not want to sign in says so, and the portal is told; a portal's hint only fills in the address."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from tests.actions import sign_in
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of


def test_cancelling_the_sign_in_is_access_denied(web: Flask, rp: RelyingParty) -> None:
    stranger = Person(web)
    stranger.open(rp.request(state="cancelled"))
    stranger.press("cancel")
    answer = answer_of(stranger.address)
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "cancelled", ISSUER)
    assert set(answer) == {"error", "error_description", "state", "iss"}
    assert "person:authorization_request:refuse" in [event.tag for event in db.session.scalars(select(AuditEvent))]


def test_it_is_told_in_the_mode_that_was_asked_for_and_once(web: Flask, rp: RelyingParty) -> None:
    stranger = Person(web)
    stranger.open(rp.request(response_mode="form_post"))
    page = stranger.address
    stranger.press("cancel")
    assert stranger.filled()[1]["error"] == "access_denied"
    stranger.open(page)
    stranger.press("cancel")
    assert "access_denied" not in stranger.address


def test_where_no_portal_asked_there_is_nothing_to_cancel(web: Flask, rp: RelyingParty) -> None:
    stranger = Person(web)
    stranger.open("/cpx/login")
    assert "/do/cancel" not in stranger.text
    address, fields = stranger.filled()
    response = stranger.post((address.replace("/login?", "/login/do/cancel?"), fields))[0]
    assert response.status_code == 404


def test_an_unknown_button_is_none(web: Flask, rp: RelyingParty) -> None:
    stranger = Person(web)
    stranger.open(rp.request())
    address, fields = stranger.filled()
    assert stranger.post((address.replace("/login?", "/login/do/anything?"), fields))[0].status_code == 404


def test_a_login_hint_fills_in_the_address_and_selects_nobody(
    web: Flask, rp: RelyingParty, person: Person, clock: FrozenClock
) -> None:
    clock.advance(timedelta(hours=13))
    person.open(rp.request(login_hint=" Paul@Example.ch "))
    assert 'value="paul@example.ch"' in person.text
    sign_in(person)
    assert "code" in answer_of(person.address)
    for hint in ("buffy", '"><script>', "x" * 254, ""):
        stranger = Person(web)
        stranger.open(rp.request(login_hint=hint))
        assert 'type="email" value=""' in stranger.text, hint
