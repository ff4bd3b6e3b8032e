"""The figures of the console: counted by Swiss day, of the own portals only."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from flask import Flask
from sqlalchemy import delete

from idp.clock import FrozenClock, swiss
from idp.models.base import db
from idp.models.outbox import OutboxMessage, take_message
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.audit_chain import link_events
from idp.services.bundle import Services
from idp.services.figures import figures
from idp.services.funnel import funnel, median
from idp.services.health import health
from idp.services.message_tallies import tally_messages
from idp.services.settling import put_off, settle
from idp.services.walk_tallies import size_of, tally_walks
from keys.jwk import ALGORITHMS
from tests.actions import letter, register
from tests.support.builders import add_portal
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person

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
    assert "43</dd>" not in olga.text
    olga.open("/admin?days=30")
    assert olga.text.count('<tr><th scope="row">') >= 30
    olga.open("/admin?days=999999999")
    assert olga.page.status_code == 200


def test_what_is_linked_counts_once_and_what_is_not_yet_counts_too(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    happen(services, AuditTag.SIGNED_IN, portal, 3)
    assert figures(clock.now(), 7, None).sign_ins == 3
    assert link_events(services.vault) == 3
    assert figures(clock.now(), 7, None).sign_ins == 3
    happen(services, AuditTag.SIGNED_IN, portal, 2)
    clock.advance(timedelta(days=1))
    happen(services, AuditTag.SIGNED_IN, portal)
    assert figures(clock.now(), 7, {portal.id}).sign_ins == 6
    assert link_events(services.vault) == 3
    found = figures(clock.now(), 365, {portal.id})
    assert (found.sign_ins, [day.sign_ins for day in found.by_month][-1], len(found.by_month)) == (6, 6, 13)
    assert figures(clock.now(), 1, None).sign_ins == 1


def test_the_funnel_shows_where_registrations_end_and_how_long_steps_take(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    register(web, services, portal)
    caller, code = Person(web), letter(services, portal, "P-2")
    caller.open("/cpx/register/code")
    clock.advance(timedelta(seconds=40))
    for typed in ("", "AAAA", code):
        caller.submit(code=typed)
    assert funnel(swiss(clock.now()).date(), None).begun == 0
    assert tally_walks(clock.now()) == 1  # the other goes on
    clock.advance(timedelta(days=1, seconds=1))
    assert tally_walks(clock.now()) == 1
    assert tally_walks(clock.now()) == 0
    found = funnel(date(2026, 3, 27), {portal.id})
    passed = {rung.name: rung.passed for rung in found.rungs}
    assert (found.begun, found.done) == (2, 1)
    assert (passed["registration_code"], passed["email"], passed["details"]) == (2, 1, 1)
    assert found.errors[0][1] == 1
    assert {key for key, _ in found.errors} == {"e.code.empty", "e.code.format"}
    assert funnel(date(2026, 3, 27), set()).begun == 0
    add_operator(services, EMAIL, ["reader"])
    olga = sign_in(web, services, EMAIL)
    olga.open("/admin?days=365")
    assert "Code de la lettre" in olga.text
    assert "Base de données" in olga.text


def test_the_median_is_the_class_of_the_middle_one() -> None:
    assert median(Counter()) is None
    assert median(Counter({10: 1})) == 10
    assert median(Counter({10: 2, 60: 1})) == 10
    assert median(Counter({10: 1, 60: 2})) == 60
    assert [size_of(seconds) for seconds in (0, 5, 6, 61, 10**8)] == [5, 5, 10, 90, 10**9]


def test_health_says_what_waits_and_what_fails(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    services.keyring.ensure()
    services.outbox.mail("exists", to="helene@example.ch", language="fr", portal=portal, values={})
    db.session.commit()
    mail = next(one for one in health(clock.now()).channels if one.name == "mail")
    assert (mail.delivered_at, mail.waiting_since, mail.failing) == (None, clock.now(), 0)
    clock.advance(timedelta(minutes=6))
    assert next(one for one in health(clock.now()).channels if one.name == "mail").is_late(clock.now())
    attempt = take_message("mail", clock.now(), timedelta(minutes=1))
    assert attempt is not None
    put_off(attempt, "mail", (60,), clock.now(), "refused")
    mail = next(one for one in health(clock.now()).channels if one.name == "mail")
    assert (mail.waiting_since, mail.failing) == (None, 1)
    clock.advance(timedelta(minutes=2))
    attempt = take_message("mail", clock.now(), timedelta(minutes=1))
    assert attempt is not None
    settle(attempt, "mail", "sent", clock.now())
    found = health(clock.now())
    mail = next(one for one in found.channels if one.name == "mail")
    assert (mail.delivered_at, mail.failing) == (clock.now(), 0)
    assert {alg for alg, _ in found.keys} == set(ALGORITHMS)
    assert found.schema != "–"


def test_messages_count_for_a_year_though_the_outbox_forgets_them(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    for state in ("sent", "delivered", "bounced", "dead"):
        sent = services.outbox.sms("changed", to="+41791234567", language="fr", portal=portal, values={})
        db.session.get_one(OutboxMessage, sent).state = state
    db.session.commit()
    kept_for = timedelta(days=30)
    for days in (0, 1, 1, 5, 200):
        clock.advance(timedelta(days=days))
        tally_messages(clock.now(), kept_for)
        assert tally_messages(clock.now(), kept_for) == 0
        if days == 200:
            db.session.execute(delete(OutboxMessage))
        found = figures(clock.now(), 365, {portal.id})
        assert (found.sms, found.given_up, found.bounced) == (3, 1, 1), days
    assert figures(clock.now(), 7, None).sms == 0
