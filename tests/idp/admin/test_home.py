"""The figures of the console: counted by Swiss day, of the own portals only."""

from __future__ import annotations

from datetime import date, timedelta

from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.figures import figures
from tests.actions import letter
from tests.support.builders import add_portal
from tests.support.operators import add_operator, sign_in

EMAIL = "olga@fund.example.ch"


def happen(services: Services, tag: AuditTag, portal: Portal, times: int = 1) -> None:
    for _ in range(times):
        services.audit.record(tag, portal=portal.id)
    db.session.commit()


def test_events_count_on_the_swiss_day_and_at_their_portal(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    other = add_portal("fon")
    clock.advance(timedelta(hours=9, minutes=31))  # 23:01 in London, 00:01 of the next day in Bern
    happen(services, AuditTag.SIGNED_IN, portal, 3)
    happen(services, AuditTag.SIGNED_IN, other, 5)
    happen(services, AuditTag.PASSWORD_REFUSED, portal)
    clock.advance(timedelta(days=2))
    happen(services, AuditTag.REGISTERED, portal, 2)
    letter(services, portal)
    found = figures(clock.now(), 7, {portal.id})
    assert {day.day: (day.sign_ins, day.registrations) for day in found.days if day.sign_ins or day.registrations} == {
        date(2026, 3, 28): (3, 0), date(2026, 3, 30): (0, 2),
    }  # fmt: skip
    assert (found.sign_ins, found.refused, found.success) == (3, 1, 75)
    assert (len(found.days), found.days[-1].day) == (7, date(2026, 3, 30))
    assert figures(clock.now(), 7, None).sign_ins == 8
    assert figures(clock.now(), 7, set()).sign_ins == 0
    assert figures(clock.now(), 7, None).expiring == 0
    clock.advance(timedelta(days=25))
    late = figures(clock.now(), 7, {portal.id})
    assert (late.expiring, late.sign_ins, late.success) == (1, 0, None)


def test_an_operator_sees_the_figures_of_the_own_portals(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    happen(services, AuditTag.SIGNED_IN, portal, 3)
    happen(services, AuditTag.SIGNED_IN, add_portal("fon"), 40)
    add_operator(services, EMAIL, ["reader@cpx"])
    olga = sign_in(web, services, EMAIL)
    assert "<dt>Connexions</dt><dd>3</dd>" in olga.text
    assert "43" not in olga.text.split("<figure>")[0]
    olga.open("/admin?days=30")
    assert olga.text.count('<tr><th scope="row">') >= 30
    olga.open("/admin?days=999999999")
    assert olga.page.status_code == 200
