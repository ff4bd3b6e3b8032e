"""The door of the console (ux.md §9.1; OWASP ASVS 5.0 §3.5.4, §6.3.2, §8.3.2)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.attempts import PASSWORD as PASSWORDS
from idp.services.bundle import Services
from tests.actions import PASSWORD, register
from tests.support.operators import add_operator, app_code, sign_in
from tests.support.person import ISSUER, Person, newest_code

EMAIL = "olga@fund.example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, clock: FrozenClock) -> Person:
    add_operator(services, EMAIL, ["superuser"])
    return sign_in(web, services, EMAIL)


def test_password_and_app_code_together_open_the_console(olga: Person) -> None:
    assert olga.address == "/admin"
    assert olga.title == "Console"
    assert "super-utilisateur – tous les portails" in olga.text


@pytest.mark.parametrize("wrong", [{"password": "x" * 12}, {"otp": "000000"}, {"email": "nobody@fund.example.ch"}])
def test_whatever_is_wrong_one_text_says_so(web: Flask, services: Services, wrong: dict[str, str]) -> None:
    add_operator(services, EMAIL, ["support"])
    person = Person(web)
    person.open("/admin/login")
    person.submit(**{"email": EMAIL, "password": PASSWORD, "otp": app_code(services), **wrong})
    assert person.errors() == ["email"]
    assert "Adresse e-mail, mot de passe ou code incorrect" in person.text
    assert person.client.get("/admin", base_url=ISSUER).status_code == 303
    assert PASSWORD not in person.address


def test_an_insured_person_is_let_in_neither_here_nor_with_the_session_of_a_portal(
    web: Flask, services: Services, portal: Portal, person: Person
) -> None:
    assert person.client.get("/admin", base_url=ISSUER).headers["Location"].startswith("/admin/login")
    account = services.accounts.find("helene@example.ch")
    assert account is not None
    services.totp.enrol(account.id, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", 0)
    db.session.commit()
    other = sign_in(web, services, "helene@example.ch")
    assert other.errors() == ["email"]


def test_the_console_opens_no_portal(web: Flask, portal: Portal, olga: Person) -> None:
    assert olga.client.get("/account", base_url=ISSUER).headers["Location"] == "/?then=account"


def test_a_code_serves_once(web: Flask, services: Services, olga: Person) -> None:
    again = sign_in(web, services, EMAIL)
    assert again.errors() == ["email"]


def test_guesses_are_limited_and_a_browser_that_was_here_is_not_locked_out_by_others(
    web: Flask, services: Services, clock: FrozenClock, olga: Person
) -> None:
    stranger = Person(web)
    stranger.open("/admin/login")
    for _ in range(6):
        stranger.submit(email=EMAIL, password="wrong wrong wrong", otp="000000")
    assert "Trop d’essais. Réessayez à partir de 14:3" in stranger.text
    olga.open("/admin")
    olga.submit()  # the button that signs out
    clock.advance(timedelta(minutes=1))
    olga.open("/admin/login")
    olga.submit(email=EMAIL, password=PASSWORD, otp=app_code(services))
    assert olga.title == "Console"


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("email", "state"), [(EMAIL, "waiting"), ("nobody@fund.example.ch", "dropped")])
def test_who_is_locked_is_told_by_mail_once_and_an_address_without_an_account_costs_the_same(
    web: Flask, services: Services, clock: FrozenClock, email: str, state: str
) -> None:
    add_operator(services, EMAIL, ["support"])
    stranger = Person(web)
    stranger.open("/admin/login")
    for _ in range(11):
        stranger.submit(email=email, password="wrong wrong wrong", otp="000000")
        clock.advance(timedelta(minutes=1))
    db.session.rollback()
    rows = db.session.scalars(select(OutboxMessage)).all()
    assert [row.state for row in rows] == [state]
    if state == "waiting":
        told = services.outbox.open(rows[0])
        assert (told.to, told.sender_name) == (EMAIL, "Connect")
        assert "bloquée" in told.subject


def test_the_session_ends_after_half_an_hour_without_work_and_after_eight_hours(
    services: Services, clock: FrozenClock, olga: Person
) -> None:
    clock.advance(timedelta(minutes=29, seconds=59))
    olga.open("/admin")
    assert olga.title == "Console"
    clock.advance(timedelta(minutes=30))
    olga.open("/admin")
    assert olga.title == "Console\u00a0: connexion"
    olga.submit(email=EMAIL, password=PASSWORD, otp=app_code(services))
    for _ in range(17):
        clock.advance(timedelta(minutes=28))
        olga.open("/admin")
    assert olga.title == "Console"
    clock.advance(timedelta(minutes=5))
    olga.open("/admin")
    assert olga.title == "Console\u00a0: connexion"


def test_a_stolen_cookie_is_no_use_in_another_browser(web: Flask, olga: Person) -> None:
    stolen = olga.client.get_cookie("connect_console")
    assert stolen is not None
    thief = web.test_client()
    thief.set_cookie("connect_console", stolen.value, domain="localhost")
    assert thief.get("/admin", base_url=ISSUER).status_code == 303


def test_what_was_taken_away_is_gone_with_the_next_request(services: Services, olga: Person) -> None:
    account = services.accounts.find(EMAIL)
    assert account is not None
    services.operators.change_roles(account.id, ["reader"], None)
    db.session.commit()
    olga.open("/admin/operators")
    assert (olga.page.status_code, olga.title) == (403, "Pas permis avec votre rôle")
    services.operators.change_roles(account.id, [], None)
    db.session.commit()
    olga.open("/admin/operators")
    assert olga.title == "Console\u00a0: connexion"


def test_sign_out_ends_the_session_and_not_only_the_cookie(olga: Person) -> None:
    secret = olga.client.get_cookie("connect_console")
    assert secret is not None
    olga.submit()
    assert olga.title == "Console\u00a0: connexion"
    olga.client.set_cookie("connect_console", secret.value, domain="localhost")
    olga.open("/admin")
    assert olga.title == "Console\u00a0: connexion"


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/admin/../x", "/account", "/admin/login"])
def test_the_way_back_leads_to_the_console_only(web: Flask, services: Services, then: str) -> None:
    add_operator(services, EMAIL, ["reader"])
    person = Person(web)
    person.open(f"/admin/login?then={then}")
    person.submit(email=EMAIL, password=PASSWORD, otp=app_code(services))
    assert (person.address, person.title) == ("/admin", "Console")


def test_one_is_led_to_the_page_that_was_wanted(web: Flask, services: Services) -> None:
    add_operator(services, EMAIL, ["security"])
    person = Person(web)
    person.open("/admin/audit")
    person.submit(email=EMAIL, password=PASSWORD, otp=app_code(services))
    assert person.title == "Journal"


def test_sign_ins_and_refusals_are_recorded(web: Flask, services: Services, olga: Person) -> None:
    other = Person(web)
    other.open("/admin/login")
    other.submit(email=EMAIL, password="wrong", otp="1")
    tags = set(db.session.scalars(select(AuditEvent.tag)))
    assert {"operator:operator:invite", "operator:operator:join", "operator:session:open"} <= tags
    assert "operator:session:refuse" in tags


def test_an_account_that_came_back_by_a_recovery_waits_for_another_operator(
    web: Flask, services: Services, clock: FrozenClock, olga: Person
) -> None:
    account_id = add_operator(services, "peter@fund.example.ch", ["security"])
    clock.advance(timedelta(minutes=1))
    peter = sign_in(web, services, "peter@fund.example.ch")
    services.operators.pause(account_id)
    db.session.commit()
    peter.open("/admin")
    assert peter.title == "Console\u00a0: connexion"
    clock.advance(timedelta(minutes=1))
    peter.submit(email="peter@fund.example.ch", password=PASSWORD, otp=app_code(services))
    assert peter.errors() == ["email"]
    olga.open(f"/admin/operators/{account_id}")
    assert "récupéré avec un code" in olga.text
    olga.submit(1)
    clock.advance(timedelta(minutes=1))
    peter.open("/admin/login")
    peter.submit(email="peter@fund.example.ch", password=PASSWORD, otp=app_code(services))
    assert peter.title == "Console"


def test_somebody_registered_at_a_portal_may_work_here_with_the_same_account(
    web: Flask, services: Services, portal: Portal
) -> None:
    register(web, services, portal, EMAIL)
    account = services.accounts.find(EMAIL)
    assert account is not None
    services.totp.enrol(account.id, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", 0)
    secret, _ = services.operators.invite(EMAIL, ["letters@cpx"], None)
    db.session.commit()
    person = Person(web)
    person.open("/admin/invitation")
    person.submit(code=secret)
    assert "Il y a déjà un compte" in person.text
    person.submit(password=PASSWORD, otp="000000")
    assert person.errors() == ["password"]
    person.submit(password=PASSWORD, otp=app_code(services))
    assert "lettres – cpx" in person.text


def test_whoever_resets_the_password_does_not_reach_the_console(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """F-39: mailbox and SMS are enough for the account of a person, and not for the console."""
    account_id = add_operator(services, EMAIL, ["superuser"])
    services.accounts.add_phone(account_id, "+41791234567")
    db.session.commit()
    before = sign_in(web, services, EMAIL)
    thief = Person(web)
    thief.open("/cpx/reset")
    thief.submit(email=EMAIL)
    thief.submit(otp=newest_code("mail"))
    thief.open(thief.address.replace("reset/factor", "reset/methods"))
    thief.submit(method="sms")
    thief.submit(otp=newest_code("sms"))
    thief.submit(password="neun kamele am waldrand")
    assert thief.title == "Mot de passe modifié"
    before.open("/admin")
    assert before.title == "Console\u00a0: connexion"
    clock.advance(timedelta(minutes=1))
    before.submit(email=EMAIL, password="neun kamele am waldrand", otp=app_code(services))
    assert before.errors() == ["email"]
    secret, _ = services.operators.invite(EMAIL, ["superuser"], None)  # connect admin bootstrap
    db.session.commit()
    clock.advance(timedelta(minutes=1))
    before.open("/admin/invitation")
    before.submit(code=secret)
    before.submit(password="neun kamele am waldrand", otp=app_code(services))
    assert before.title == "Console"


def test_an_app_that_was_added_by_sms_opens_no_console(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, person: Person
) -> None:
    account = services.accounts.find("helene@example.ch")
    assert account is not None
    _, invitation = services.operators.invite("helene@example.ch", ["reader"], None)
    assert services.operators.accept(invitation, account)
    db.session.commit()
    person.open("/cpx/account/app")
    person.submit()  # what is needed for it
    seed = person.text.split('data-copy="')[1].split('"')[0]
    person.submit(otp=app_code(services, seed))
    clock.advance(timedelta(minutes=1))
    other = Person(web)
    other.open("/admin/login")
    other.submit(email="helene@example.ch", password=PASSWORD, otp=app_code(services, seed))
    assert other.errors() == ["email"]
    assert services.totp.verify(account.id, app_code(services, seed)).step is None  # the code was right, and is used


def test_after_a_hundred_wrong_passwords_no_clock_time_is_promised(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    add_operator(services, EMAIL, ["reader"])
    for _ in range(100):
        clock.advance(timedelta(minutes=16))
        assert services.attempts.spend(PASSWORDS, EMAIL) is None
    person = sign_in(web, services, EMAIL)
    assert person.errors() == ["email"]
    assert "Trop d’essais. Appelez-nous" in person.text
    assert "à partir de" not in person.text
