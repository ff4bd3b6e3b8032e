"""Attack: sign in with a passkey that is none, is somebody else's, was used before, or was made for another page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.passkey import Passkey
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import PASSWORD, link, register
from tests.journeys.test_passkeys import create
from tests.support.authenticator import (
    BACKED_UP,
    BACKUP_ELIGIBLE,
    USER_PRESENT,
    USER_VERIFIED,
    Authenticator,
    options_on,
)
from tests.support.builders import add_portal
from tests.support.person import Person
from tests.support.relying_party import RelyingParty, answer_of

L1 = "/cpx/login"
HOME = "https://cpx.example.ch/"


@pytest.fixture
def device(person: Person) -> Authenticator:
    """The authenticator of `person`, who made a passkey with it."""
    made = Authenticator()
    create(person, made)
    return made


def somebody_at(web: Flask, address: str = L1) -> Person:
    somebody = Person(web)
    somebody.open(address)
    assert somebody.title == "Connexion à Caisse CPX"
    return somebody


def sign(somebody: Person, device: Authenticator, **lies: Any) -> None:
    somebody.submit(passkey=device.sign(options_on(somebody.text), **lies))


def is_refused(somebody: Person) -> bool:
    """At L1, with the reason in sight and nobody signed in."""
    is_told = somebody.errors() == ["passkey"] and "La clé d’accès n’a pas fonctionné" in somebody.text
    is_outside = somebody.client.get_cookie("connect_session") is None
    return somebody.title == "Connexion à Caisse CPX" and is_told and is_outside


def newest_session() -> Session:
    db.session.rollback()
    return db.session.scalars(select(Session).order_by(Session.id.desc()).limit(1)).one()


def refusals() -> list[str]:
    db.session.rollback()
    rows = db.session.scalars(
        select(AuditEvent).where(AuditEvent.tag == "person:passkey:refuse").order_by(AuditEvent.id)
    )
    return [row.detail["reason"] for row in rows]


def test_a_passkey_is_both_factors_at_once(web: Flask, device: Authenticator) -> None:
    somebody = somebody_at(web)
    sign(somebody, device)
    assert somebody.address == HOME
    assert (newest_session().acr, newest_session().amr) == ("phr", ["hwk", "user", "mfa"])
    again = somebody_at(web)
    sign(again, device, flags=USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE | BACKED_UP)
    assert (newest_session().acr, newest_session().amr) == ("phr", ["swk", "user", "mfa"])


def test_the_portal_is_told_how(web: Flask, rp: RelyingParty, device: Authenticator) -> None:
    somebody = somebody_at(web, rp.request())
    sign(somebody, device)
    claims = rp.claims(rp.redeem(answer_of(somebody.address)["code"]).get_json()["id_token"])
    assert (claims["acr"], claims["amr"]) == ("phr", ["hwk", "user", "mfa"])


@pytest.mark.parametrize(
    "lies",
    [
        {"origin": "https://evil.example"}, {"rp_id": "evil.example"}, {"flags": USER_PRESENT}, {"flags": 0},
        {"kind": "webauthn.create"}, {"cross_origin": True}, {"user_handle": b""}, {"user_handle": bytes(32)},
        {"challenge": "AAAA"}, {"key": ec.generate_private_key(ec.SECP256R1())},
    ],
)  # fmt: skip
def test_a_forged_assertion_is_refused_and_the_true_one_works_after_it(
    web: Flask, device: Authenticator, lies: dict[str, Any]
) -> None:
    somebody = somebody_at(web)
    sign(somebody, device, **lies)
    assert is_refused(somebody)
    sign(somebody, device)
    assert somebody.address == HOME


def test_an_unknown_or_removed_passkey_is_refused(web: Flask, device: Authenticator) -> None:
    somebody = somebody_at(web)
    sign(somebody, Authenticator(user_handle=device.user_handle))
    assert is_refused(somebody)
    db.session.delete(db.session.scalars(select(Passkey)).one())
    db.session.commit()
    sign(somebody, device)
    assert is_refused(somebody)
    assert refusals() == ["unknown", "unknown"]


def test_what_is_no_assertion_is_refused(web: Flask, device: Authenticator) -> None:
    somebody = somebody_at(web)
    for answer in ("x", "{}", "[" * 9_000, '{"id": "\\u0000", "rawId": "AA", "type": "public-key", "response": {}}'):
        somebody.submit(passkey=answer)
        assert is_refused(somebody)


def test_an_answer_that_was_refused_has_used_its_question_up(web: Flask, device: Authenticator) -> None:
    somebody = somebody_at(web)
    asked = options_on(somebody.text)
    for lies in ({"flags": USER_PRESENT}, {}):
        somebody.submit(passkey=device.sign(asked, **lies))
        assert is_refused(somebody)
    assert refusals() == ["forged", "challenge"]


def test_an_assertion_opens_one_session(web: Flask, device: Authenticator) -> None:
    """Replayed in the same browser, in another one, and for another walk."""
    somebody, thief = somebody_at(web), somebody_at(web)
    signed = device.sign(options_on(somebody.text))
    somebody.submit(passkey=signed)
    assert somebody.address == HOME
    thief.submit(passkey=signed)
    assert is_refused(thief)
    somebody.open("/logout")
    somebody.submit(all="yes")
    somebody.open(L1)
    somebody.submit(passkey=signed)
    assert somebody.errors() == ["passkey"]


def test_the_question_of_another_browser_or_walk_is_not_answered(web: Flask, device: Authenticator) -> None:
    """Phishing in real time: the attacker shows the owner the question that the attacker was asked."""
    attacker, victim = somebody_at(web), somebody_at(web)
    asked = options_on(attacker.text)
    victim.submit(passkey=device.sign(asked))
    assert is_refused(victim)
    first = victim.address
    old = options_on(victim.text)
    victim.open(L1)
    assert victim.address != first
    victim.submit(passkey=device.sign(old))
    assert is_refused(victim)
    assert refusals() == ["challenge", "challenge"]


def test_a_question_grows_old(web: Flask, device: Authenticator, clock: FrozenClock) -> None:
    somebody = somebody_at(web)
    signed = device.sign(options_on(somebody.text))
    clock.advance(timedelta(minutes=5))
    somebody.submit(passkey=signed)
    assert is_refused(somebody)
    sign(somebody, device)
    assert somebody.address == HOME


def test_a_copied_key_is_noticed(web: Flask, device: Authenticator) -> None:
    sign(somebody_at(web), device, sign_count=7)
    thief = somebody_at(web)
    sign(thief, device, sign_count=7)
    assert is_refused(thief)
    assert refusals() == ["counter"]


def test_a_disabled_account_stays_shut(web: Flask, services: Services, device: Authenticator) -> None:
    account = services.accounts.find("helene@example.ch")
    assert account is not None
    db.session.get_one(Account, account.id).status = "disabled"
    db.session.commit()
    somebody = somebody_at(web)
    sign(somebody, device)
    assert is_refused(somebody)


def test_whoever_guesses_passwords_does_not_lock_the_passkey_out(web: Flask, device: Authenticator) -> None:
    somebody = somebody_at(web)
    for _ in range(6):
        somebody.submit(email="helene@example.ch", password="wrong and long enough")
    assert "Trop d" in somebody.text
    sign(somebody, device)
    assert somebody.address == HOME
    still_locked = somebody_at(web)
    still_locked.submit(email="helene@example.ch", password=PASSWORD)
    assert still_locked.errors() == ["email"]


def test_a_passkey_of_one_never_stands_in_for_the_second_factor_of_another(
    web: Flask, services: Services, portal: Portal, device: Authenticator
) -> None:
    """Security review C-15: A's password is right, then B's passkey is shown: it is B who is signed in, or nobody."""
    register(web, services, portal, "other@example.ch", "079 765 43 21")
    somebody = somebody_at(web)
    somebody.submit(email="other@example.ch", password=PASSWORD)
    assert somebody.title == "Saisissez le code SMS"
    at_the_code = somebody.address
    somebody.open(at_the_code.replace("/login/code", "/login"))
    sign(somebody, device)
    owner = services.accounts.find("helene@example.ch")
    assert owner is not None
    assert newest_session().account_id == owner.id
    forger = somebody_at(web)
    forger.submit(email="other@example.ch", password=PASSWORD)
    forger.open(forger.address.replace("/login/code", "/login"))
    sign(forger, device, user_handle=b"x" * 32)
    forger.open(at_the_code.split("?")[0] + "?" + forger.address.split("?")[1])
    assert forger.title == "Saisissez le code SMS"


def test_an_account_without_this_portal_is_asked_for_its_letter(
    web: Flask, services: Services, portal: Portal, device: Authenticator
) -> None:
    second = add_portal("fon")
    somebody = Person(web)
    somebody.open("/fon/login")
    sign(somebody, device)
    assert "/fon/link/code" in somebody.address
    link(services, second)
    somebody.open("/fon/login")
    assert somebody.address == "https://fon.example.ch/"
