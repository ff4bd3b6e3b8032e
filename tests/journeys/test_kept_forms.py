"""A form that comes after its session ended is not lost, and never becomes anybody else's (ux.md §4.5, U25)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.kept_form import KeptForm
from idp.models.passkey import Passkey
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.web.late_form import MAY_WAIT
from keys.envelope import EnvelopeError
from tests.actions import PASSWORD, register
from tests.journeys.test_passkeys import LIST, create
from tests.support.authenticator import Authenticator
from tests.support.person import ISSUER, Person, newest_code
from tests.support.walks import add_account

HELENE, OTHER = "helene@example.ch", "other@example.ch"
SIGN_IN, STILL = "Connexion à Caisse CPX", "Voulez-vous toujours le faire\u00a0?"
IDLE = timedelta(minutes=30)


def sign_in(person: Person, email: str = HELENE) -> None:
    assert person.title == SIGN_IN, person.title
    person.submit(email=email, password=PASSWORD)
    person.submit(otp=newest_code("sms"))


def name() -> str:
    db.session.rollback()
    return db.session.scalars(select(Passkey.name)).one()


def count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(KeptForm)) or 0


@pytest.fixture
def late(person: Person, clock: FrozenClock) -> Person:
    """Somebody who typed a new name for a passkey and was called away; the form is sent now."""
    create(person, Authenticator())
    row = db.session.scalars(select(Passkey)).one()
    person.open(f"{LIST}/{row.id}")
    clock.advance(IDLE)
    person.submit(name="Mein Telefon <b>")
    return person


def test_the_form_is_carried_out_after_the_sign_in_by_its_person_alone(late: Person) -> None:
    sign_in(late)
    assert late.title == STILL
    assert "Mein Telefon &lt;b&gt;" in late.text
    assert name() == "Bitwarden", "nothing happens before it is confirmed"
    late.open(late.address)
    assert (late.title, name()) == (STILL, "Bitwarden"), "a reload changes nothing"
    late.submit()
    assert "Le nom est enregistré." in late.text
    assert name() == "Mein Telefon <b>"
    late.open("/account/kept")
    assert late.title == "Votre compte", "what was carried out is not asked again"
    assert count() == 0


def test_every_second_counts_the_same(person: Person, clock: FrozenClock) -> None:
    create(person, Authenticator())
    row = db.session.scalars(select(Passkey)).one()
    person.open(f"{LIST}/{row.id}")
    clock.advance(IDLE - timedelta(seconds=1))
    person.submit(name="In time")
    assert (name(), count()) == ("In time", 0)


def test_another_person_in_the_same_browser_neither_sees_nor_causes_it(
    late: Person, services: Services, portal: Portal
) -> None:
    add_account(services, portal, OTHER, "sms", "+41790000002")
    sign_in(late, OTHER)
    assert late.title == "Votre compte"
    assert "Mein Telefon" not in late.text
    late.open("/account/kept")
    assert late.title == "Votre compte"
    assert name() == "Bitwarden"


def test_the_same_person_in_another_browser_does_not_meet_it(late: Person, web: Flask, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=2))
    elsewhere = Person(web)
    elsewhere.open("/account/kept")
    sign_in(elsewhere)
    elsewhere.open("/account/kept")
    assert elsewhere.title == "Votre compte"
    assert count() == 1


def test_who_does_not_come_back_in_half_an_hour_starts_again(late: Person, clock: FrozenClock) -> None:
    clock.advance(IDLE)
    late.open("/account/kept")
    sign_in(late)
    late.open("/account/kept")
    assert late.title == "Votre compte"
    assert name() == "Bitwarden"


def test_a_session_that_somebody_ended_keeps_nothing(
    person: Person, services: Services, web: Flask, clock: FrozenClock
) -> None:
    """Whoever is sent away must not leave a form for the owner to press."""
    create(person, Authenticator())
    row = db.session.scalars(select(Passkey)).one()
    person.open(f"{LIST}/{row.id}")
    account = db.session.scalars(select(Account)).one()
    services.sign_out.account(account.id)
    db.session.commit()
    clock.advance(IDLE)
    person.submit(name="Mine now")
    assert count() == 0


def test_another_site_cannot_leave_a_form(person: Person, clock: FrozenClock) -> None:
    person.open("/account/sessions")
    clock.advance(IDLE)
    token = person.client.get_cookie("connect_browser")
    assert token
    for headers, data in (
        ({"Origin": "https://evil.example"}, {"session": "all", "csrf_token": "x"}),
        ({"Origin": ISSUER}, {"session": "all", "csrf_token": "x"}),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, {"session": "all"}),
    ):
        answer = person.client.post("/account/sessions/end", data=data, base_url=ISSUER, headers=headers)
        assert answer.status_code == 403
    assert count() == 0


def test_no_secret_is_kept_nor_what_is_too_large_nor_what_is_there_twice(
    services: Services, person: Person, clock: FrozenClock
) -> None:
    account = db.session.scalars(select(Account)).one()
    for secret in ("password", "otp", "recovery_code", "code", "passkey"):
        assert not services.kept_forms.keep("b", account.id, "/account/x", {secret: "1", "name": "x"})
    assert not services.kept_forms.keep("b", account.id, "/account/x", {"name": "x" * 4096})
    assert count() == 0
    person.open("/account/sessions")
    clock.advance(IDLE)
    form = person.client.get("/help", base_url=ISSUER)
    assert form.status_code == 200
    data = {"session": ["all", "1"], "csrf_token": services.vault.mac("csrf", browser(person))}
    answer = person.client.post("/account/sessions/end", data=data, base_url=ISSUER, headers={"Origin": ISSUER})
    assert (answer.status_code, count()) == (303, 0)


def browser(person: Person) -> str:
    found = person.client.get_cookie("connect_browser")
    return found.value if found else ""


def test_what_is_kept_is_sealed_and_opens_nowhere_else(late: Person, services: Services, portal: Portal) -> None:
    row = db.session.scalars(select(KeptForm)).one()
    assert "Mein Telefon" not in row.sealed_fields
    other = add_account(services, portal, OTHER, "sms", "+41790000002")
    row.account_id = other.id
    db.session.commit()
    with pytest.raises(EnvelopeError):
        services.kept_forms.find(row.browser_hash, other.id)


def test_a_browser_and_an_account_keep_one_form_the_last(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    person = register(web, services, portal)
    account = db.session.scalars(select(Account)).one()
    for number in range(5):
        assert services.kept_forms.keep("b", account.id, "/account/x", {"name": str(number)})
    db.session.commit()
    assert count() == 1
    found = services.kept_forms.find("b", account.id)
    assert found is not None
    assert found.fields == {"name": "4"}
    assert person.title


def test_it_is_told_which_device_a_form_is_about(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    account = db.session.scalars(select(Account)).one()
    for browser_of, agent in (("one", "Mozilla Firefox (Windows)"), ("another", "")):
        services.trusted_devices.trust(account.id, browser_of, agent)
    db.session.commit()
    person.open("/account/sessions")
    forms = [person.filled(number) for number in (0, 1)]
    for filled, words in zip(forms, ("appareil inconnu", "Firefox, Windows"), strict=True):
        clock.advance(IDLE)
        person._arrive(*person.post(filled))
        sign_in(person)
        assert person.title == STILL
        assert f"<strong>{words}</strong>" in person.text
        person.submit()
        assert "Un code est de nouveau demandé." in person.text
    assert services.trusted_devices.of(account.id) == []


def test_it_is_told_which_passkey_is_to_be_removed(late: Person, clock: FrozenClock) -> None:
    sign_in(late)
    late.submit()
    row = db.session.scalars(select(Passkey)).one()
    late.open(f"{LIST}/{row.id}")
    clock.advance(IDLE)
    late.submit(1)
    sign_in(late)
    assert "Mein Telefon" in late.text
    assert "Supprimer cette clé" in late.text
    late.submit()
    assert "La clé d’accès est supprimée." in late.text


def test_only_what_is_declared_may_wait(web: Flask) -> None:
    """A new form of the account waits for nobody until somebody has thought of what its question says."""
    posts = {rule.endpoint for rule in web.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert set(MAY_WAIT) <= posts
    assert not {"session.extend", "passkeys.create"} & set(MAY_WAIT)


def test_ending_all_other_sessions_waits_too(person: Person, web: Flask, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=2))
    elsewhere = Person(web)
    elsewhere.open("/cpx/login")
    sign_in(elsewhere)
    person.open("/account/sessions")
    clock.advance(timedelta(minutes=20))
    elsewhere.open("/account")
    clock.advance(timedelta(minutes=10))
    person.submit(session="all")
    sign_in(person)
    assert person.title == STILL
    assert "Fermer toutes les autres sessions" in person.text
    person.submit()
    assert "La session est fermée." in person.text
    elsewhere.open("/account")
    assert elsewhere.title == SIGN_IN


@pytest.mark.parametrize("span", [IDLE, timedelta(hours=12)])
def test_a_change_that_idled_goes_on_with_its_entries(person: Person, clock: FrozenClock, span: timedelta) -> None:
    """Its walk ended with the session: another begins, in which the entries stand, and the person sends it."""
    person.open("/cpx/account/email")
    clock.advance(span)
    person.submit(email="new@example.ch")
    sign_in(person)
    assert person.title == "Saisissez votre nouvelle adresse e-mail"
    assert 'value="new@example.ch"' in person.text
    person.submit()
    assert person.title == "Consultez votre boîte e-mail"
    person.submit(otp=newest_code("mail"))
    assert "new@example.ch" in person.text
    assert person.title == "Profil"


def test_a_new_number_is_kept_and_a_new_password_is_asked_anew(person: Person, clock: FrozenClock) -> None:
    person.open("/cpx/account/mobile")
    clock.advance(IDLE)
    person.submit(mobile="079 999 88 77")
    sign_in(person)
    assert person.title == "Saisissez le numéro de mobile"
    assert 'value="079 999 88 77"' in person.text
    person.open("/cpx/account/password")
    clock.advance(IDLE)
    person.submit(password="neun kamele am waldrand")
    sign_in(person)
    assert person.title == "Nouveau mot de passe"
    assert "kamele" not in person.text


def test_entries_of_a_change_are_not_shown_to_whoever_signs_in_next(
    person: Person, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OTHER, "sms", "+41790000002")
    person.open("/cpx/account/email")
    person.submit(email="new@@example.ch")  # kept in the walk, with what was wrong
    walk = person.address
    clock.advance(IDLE)
    person.submit(email="new@example.ch")
    sign_in(person, OTHER)
    assert person.title == "Saisissez votre nouvelle adresse e-mail"
    assert "new@" not in person.text
    person.open(walk)
    assert "new@" not in person.text


def test_a_walk_of_a_change_that_ended_while_its_session_lives_begins_anew(person: Person, clock: FrozenClock) -> None:
    person.open("/cpx/account/email")
    walk, filled = person.address, person.filled(email="new@example.ch")
    for _ in range(2):
        clock.advance(timedelta(minutes=16))
        person.open("/account")
    person._arrive(*person.post(filled))
    assert person.title == "Confirmez que c’est bien vous"
    person.submit(password=PASSWORD)
    assert 'value="new@example.ch"' in person.text
    assert person.address != walk
