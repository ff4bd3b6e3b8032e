"""An account is closed for good: what that takes, what is erased, and who comes back (ux.md §4.5)."""

from __future__ import annotations

from datetime import date, timedelta

from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.authorization import Grant
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.person_word import PersonWord
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.closing import ERASED
from tests.actions import PASSWORD, enter_details, finish_registration, link
from tests.support.builders import add_person, add_portal
from tests.support.letters import ask, printed
from tests.support.operators import add_operator
from tests.support.person import Person, newest_code, newest_message
from tests.support.relying_party import RelyingParty, answer_of

EMAIL = "helene@example.ch"


def close(person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=2))
    person.open("/cpx/account/close")
    person.submit(password=PASSWORD)
    person.submit(otp=newest_code("sms"))
    assert person.title == "Fermer votre compte"
    person.submit(agree="yes")
    assert person.title == "Votre compte est fermé"


def account_of(services: Services) -> Account:
    db.session.rollback()
    account = services.accounts.find(EMAIL)
    assert account
    return account


def test_password_and_second_factor_are_asked_for_however_fresh_the_sign_in_is(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    clock.advance(timedelta(minutes=1))
    person.open("/cpx/account/close")
    assert person.title == "Confirmez que c’est bien vous"
    for wrong in ("", "wrong"):
        person.submit(password=wrong)
        assert person.errors() == ["password"]
    person.submit(password=PASSWORD)
    assert person.title == "Saisissez le code SMS"
    person.submit(otp="000000")
    assert person.errors() == ["otp"]
    person.submit(otp=newest_code("sms"))
    for said in ("Caisse CPX", "Nous effaçons votre adresse", "restent auprès de votre caisse", "nouvelle lettre"):
        assert said in person.text
    person.submit()
    assert person.errors() == ["agree"]
    assert account_of(services).is_active


def test_nothing_of_the_person_is_left_and_the_owner_is_told(
    web: Flask, person: Person, services: Services, rp: RelyingParty, portal: Portal, clock: FrozenClock
) -> None:
    portal.backchannel_logout_uri = "https://cpx.example.ch/backchannel"
    db.session.commit()
    person.open(rp.request())
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    person.open("/cpx/account/codes")
    person.submit()
    account = account_of(services)
    ident = account.id
    close(person, clock)
    assert "Compte fermé" in newest_message("mail", to=EMAIL)
    db.session.rollback()
    for model in ERASED:
        rows = select(model).where(model.__table__.c.account_id == ident)
        assert db.session.scalars(rows).all() == [], model
    closed = db.session.get_one(Account, ident)
    assert (closed.status, closed.email, closed.given_name, closed.family_name) == ("closed", f"closed:{ident}", "", "")
    for session in db.session.scalars(select(Session)):
        assert (session.user_agent, session.browser_hash) == ("", "")
        assert session.ended_at is not None
    assert all(grant.revoked_at for grant in db.session.scalars(select(Grant)))
    assert [one.account_id for one in db.session.scalars(select(InsuredPerson))] == [None]
    notices = db.session.scalars(select(OutboxMessage).where(OutboxMessage.channel == "logout")).all()
    assert len(notices) == 1
    recorded = select(AuditEvent.account_id).where(AuditEvent.tag == AuditTag.ACCOUNT_CLOSED.value)
    assert db.session.scalars(recorded).all() == [ident]
    assert rp.userinfo(tokens["access_token"]).status_code == 401
    assert rp.refresh(tokens["refresh_token"]).status_code == 400
    person.open("/account")
    assert "Connexion à" in person.title


def test_a_record_without_names_is_no_longer_found_by_the_name_its_person_had_given(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    nameless = add_person(portal, "P-9", given_name="", family_name="", birth_date=date(1958, 3, 27))
    code = services.registration_codes.issue(nameless, portal)
    db.session.commit()
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=code)
    person.submit(email=EMAIL)
    person.submit(otp=newest_code("mail"))
    enter_details(person, given_name="Zoé", family_name="Aebischer", factor="sms", mobile="079 123 45 67")
    person.submit(otp=newest_code("sms"))
    found = select(PersonWord.word).where(PersonWord.person_id == nameless.id)
    assert {"zoe", "aebischer"} <= set(db.session.scalars(found))
    close(person, clock)
    db.session.rollback()
    kept = set(db.session.scalars(found))
    assert kept
    assert not kept & {"zoe", "aebischer"}


def test_a_recovery_letter_that_is_on_its_way_opens_nothing_any_more(
    person: Person, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    account = account_of(services)
    ask(services, account, portal)
    (code,) = printed(services, portal)
    close(person, clock)
    digest = services.vault.mac("registration-code", code)
    row = db.session.scalars(select(RegistrationCode).where(RegistrationCode.code_hash == digest)).one()
    assert row.state(clock.now()) == "revoked"
    assert services.recovery_letters.of_portal(portal) == []


def test_every_tab_and_every_other_browser_is_out(
    web: Flask, person: Person, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    clock.advance(timedelta(minutes=2))
    other = Person(web)
    other.open("/cpx/login")
    other.submit(email=EMAIL, password=PASSWORD)
    half = Person(web)  # between password and second code
    half.open("/cpx/login")
    half.submit(email=EMAIL, password=PASSWORD)
    other.submit(otp=newest_code("sms"))
    other.open("/cpx/account/email")
    close(person, clock)
    other.submit(email="new@example.ch")
    assert "Connexion à" in other.title
    half.submit(otp="000000")
    assert half.errors() == ["email"]
    person.open(person.address)  # reload of the last page
    assert person.title == "Votre compte est fermé"
    assert services.accounts.find(EMAIL) is None


def test_a_closed_address_is_answered_like_an_unknown_one(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    close(person, clock)
    seen = []
    for email in (EMAIL, "nobody@example.ch"):
        stranger = Person(web)
        stranger.open("/cpx/login")
        stranger.submit(email=email, password=PASSWORD)
        signed_in = (stranger.title, stranger.errors(), stranger.page.status_code, len(stranger.text) - len(email))
        stranger.open("/cpx/reset")
        stranger.submit(email=email)
        db.session.rollback()
        state = db.session.scalars(select(OutboxMessage.state).order_by(OutboxMessage.id.desc())).first()
        seen.append((signed_in, stranger.title, len(stranger.text) - len(email), state))
    assert seen[0] == seen[1]


def test_a_new_letter_registers_the_same_address_anew(
    web: Flask, person: Person, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    first = account_of(services).id
    record = services.accounts.record_of(first, portal.id)
    assert record
    old = services.registration_codes.issue(record, portal)  # sent although the person had an account
    db.session.commit()
    close(person, clock)
    newcomer = Person(web)
    newcomer.open("/cpx/register/code")
    newcomer.submit(code=old)
    assert newcomer.errors() == ["code"]
    fresh = services.registration_codes.issue(db.session.get_one(InsuredPerson, record.id), portal)
    db.session.commit()
    newcomer = Person(web)
    newcomer.open("/cpx/register/code")
    finish_registration(newcomer, fresh, EMAIL)
    assert account_of(services).id != first


def test_every_portal_of_the_account_is_named_and_none_is_left(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    link(services, add_portal("fon"))
    ident = account_of(services).id
    clock.advance(timedelta(minutes=2))
    person.open("/cpx/account/close")
    person.submit(password=PASSWORD)
    person.submit(otp=newest_code("sms"))
    assert "Caisse CPX" in person.text
    assert "Caisse FON" in person.text
    person.submit(agree="yes")
    db.session.rollback()
    assert services.accounts.records_of(ident) == []


def test_the_last_superuser_stays_until_somebody_else_is_one(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    account = account_of(services)
    _, invitation = services.operators.invite(EMAIL, ["superuser"], None)
    assert services.operators.accept(invitation, account)
    db.session.commit()
    clock.advance(timedelta(minutes=2))
    person.open("/cpx/account/close")
    person.submit(password=PASSWORD)
    person.submit(otp=newest_code("sms"))
    person.submit(agree="yes")
    assert person.errors() == ["agree"]
    assert "nommez d’abord un autre super-utilisateur" in person.text
    assert account_of(services).status == "active"
    add_operator(services, "olga@fund.example.ch", ["superuser"])
    person.submit(agree="yes")
    assert person.title == "Votre compte est fermé"
