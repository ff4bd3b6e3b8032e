"""F-08, F-10, F-11: nobody learns who has an account: not by text, status, headers, cookies, redirects, work done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services, services
from tests.actions import PASSWORD, letter
from tests.support.builders import add_portal
from tests.support.fingerprint import counted_writes
from tests.support.person import ISSUER, Person, newest_code, newest_message
from tests.support.relying_party import RelyingParty
from tests.support.transcript import Watched
from tests.support.walks import add_account

CLASSES = ("known", "unknown", "disabled", "closed", "by-app", "no-factor")


def address(kind: str) -> str:
    return f"{kind:x<10}@example.ch"  # all of one length


@pytest.fixture
def people(web: Flask, services: Services, portal: Portal) -> None:
    for kind in CLASSES:
        if kind == "unknown":
            continue
        factor = {"by-app": "app", "no-factor": "none"}.get(kind, "sms")
        account = add_account(services, portal, address(kind), factor, f"+4179{len(kind):07}")
        account.status = kind if kind in {"disabled", "closed"} else "active"
    db.session.commit()


def compare(clock: FrozenClock, walk: Callable[[str], Watched]) -> None:
    """Let every class walk the same way at the same time of day, and compare what is seen and what is written."""
    begun, seen = clock.now(), {}
    for kind in CLASSES:
        clock.at = begun
        with counted_writes() as written:
            person = walk(kind)
        email = address(kind)
        seen[kind] = (person.transcript(email, quote(email)), written)
    looks, writes = seen["unknown"]
    assert writes
    for kind, (other, done) in seen.items():
        assert len(other) == len(looks) > 3
        for mine, theirs in zip(looks, other, strict=True):
            assert mine == theirs, kind
        assert done == writes, kind


def test_a_sign_in_with_a_wrong_password_looks_the_same_for_everybody(
    web: Flask, people: None, clock: FrozenClock
) -> None:
    def walk(kind: str) -> Watched:
        person = Watched(web)
        person.open("/cpx/login")
        for attempt in range(10):  # over the first pause and into the lock of fifteen minutes
            person.submit(email=address(kind), password=f"wrong {attempt}")
            assert ("Trop d’essais" in person.text) == (attempt > 7)
            clock.advance(timedelta(seconds=61))
        return person

    compare(clock, walk)


def test_the_right_password_of_an_account_that_was_disabled_is_a_wrong_one(
    web: Flask, people: None, clock: FrozenClock
) -> None:
    seen = []
    for kind, password in (("disabled", PASSWORD), ("closed", PASSWORD), ("unknown", PASSWORD), ("known", "wrong")):
        person = Watched(web)
        person.open("/cpx/login")
        person.submit(email=address(kind), password=password)
        seen.append(person.transcript(address(kind), quote(address(kind))))
    assert all(look == seen[0] for look in seen)


def test_a_browser_that_signed_in_before_sees_the_same_as_a_stranger(
    web: Flask, people: None, clock: FrozenClock, portal: Portal
) -> None:
    owner = Watched(web)
    owner.open("/cpx/login")
    owner.submit(email=address("known"), password=PASSWORD)
    owner.submit(otp=newest_code("sms"))
    clock.advance(timedelta(hours=13))
    stranger = Watched(web)
    for person, kind in ((owner, "known"), (stranger, "unknown")):
        person.open("/")
        person.client.seen.clear()
        person.open("/cpx/login")
        for _ in range(6):
            person.submit(email=address(kind), password="wrong")
    assert owner.transcript(address("known")) == stranger.transcript(address("unknown"))


def test_registration_with_any_address_looks_the_same_and_only_its_owner_is_told(
    web: Flask, people: None, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    codes = {kind: letter(services, portal, f"L-{kind}") for kind in CLASSES}

    def walk(kind: str) -> Watched:
        person = Watched(web)
        person.open("/cpx/register/code")
        person.submit(code=codes[kind])
        person.submit(email=address(kind))
        assert person.title == "Consultez votre boîte e-mail"
        told = newest_message("mail", to=address(kind))
        assert ("Vous avez déjà un compte Connect" in told) == (kind != "unknown")
        for guess in ("000000", "000001"):
            person.submit(otp=guess)
        person.press("resend")  # too early
        clock.advance(timedelta(seconds=31))
        person.press("resend")
        for guess in ("000002", "000003", "000004", "000005"):  # into the wait of fifteen minutes
            person.submit(otp=guess)
        clock.advance(timedelta(minutes=31))
        person.submit(otp="000006")  # expired: another one is sent
        person.open(person.address)
        return person

    compare(clock, walk)


def test_a_new_password_for_any_address_looks_the_same_and_only_an_owner_gets_a_mail(
    web: Flask, people: None, clock: FrozenClock
) -> None:
    def walk(kind: str) -> Watched:
        person = Watched(web)
        person.open("/cpx/reset")
        person.submit(email=address(kind))
        assert f"Si un compte existe pour <strong>{address(kind)}</strong>" in person.text
        for guess in ("000000", "000001"):
            person.submit(otp=guess)
        person.press("resend")  # too early
        clock.advance(timedelta(seconds=31))
        person.press("resend")
        for guess in ("000002", "000003", "000004", "000005"):  # into the wait of fifteen minutes
            person.submit(otp=guess)
        clock.advance(timedelta(minutes=16))
        person.submit(otp="000006")  # expired: another one is sent
        person.open(person.address)
        return person

    compare(clock, walk)
    db.session.rollback()
    rows = list(db.session.scalars(select(OutboxMessage).where(OutboxMessage.state != "dropped")))
    told = {services().outbox.open(row).to for row in rows if "mot de passe" in services().outbox.open(row).text}
    assert told == {address(kind) for kind in ("known", "by-app", "no-factor")}


def test_a_hint_at_a_person_shows_the_same_page_for_everybody(
    web: Flask, people: None, rp: RelyingParty, clock: FrozenClock
) -> None:
    def walk(kind: str) -> Watched:
        person = Watched(web)
        person.open(rp.request(login_hint=address(kind)))
        assert f'value="{address(kind)}"' in person.text
        person.open(rp.request(login_hint=address(kind), prompt="none"))
        person.open(f"/logout?logout_hint={address(kind)}")
        return person

    compare(clock, walk)


def test_a_sign_out_hint_tells_nothing_about_its_person(
    web: Flask, people: None, rp: RelyingParty, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    now = int(clock.now().timestamp())
    claims = {"iss": ISSUER, "aud": rp.client_id, "exp": now + 60, "iat": now, "at_hash": "x"}

    def walk(kind: str) -> Watched:
        account = db.session.scalar(select(Account).where(Account.email == address(kind)))
        sub = services.tokens.subject(portal, account.id) if account else "A" * 43
        hint = services.keyring.sign({**claims, "sub": sub}, alg="RS256", typ="JWT")
        person = Watched(web)
        person.private.append(hint)
        person.open(f"/logout?id_token_hint={hint}")
        person.open(f"/logout?id_token_hint={hint}&post_logout_redirect_uri=https://cpx.example.ch/bye")
        person.open(rp.request(id_token_hint=hint, prompt="none"))
        person.open(rp.request(id_token_hint=hint))
        return person

    compare(clock, walk)


def test_the_owner_is_told_of_the_lock_once_and_a_stranger_never(
    web: Flask, people: None, clock: FrozenClock, services: Services
) -> None:
    for kind in ("known", "unknown", "disabled"):
        person = Person(web)
        person.open("/cpx/login")
        for attempt in range(14):
            person.submit(email=address(kind), password=f"wrong {attempt}")
            clock.advance(timedelta(minutes=16))
    db.session.rollback()
    notices = list(db.session.scalars(select(OutboxMessage).where(OutboxMessage.channel == "mail")))
    assert sorted(row.state for row in notices) == ["dropped", "dropped", "waiting"]
    sent = next(services.outbox.open(row) for row in notices if row.state == "waiting")
    assert sent.to == address("known")
    assert sent.subject == "Connexion bloquée pendant 15 minutes"
    assert all(row.sealed_content is None for row in notices if row.state == "dropped")


def test_a_disabled_portal_is_one_that_never_was(web: Flask, clock: FrozenClock) -> None:
    add_portal("abc", disabled_at=clock.now())
    for path in ("/{}/login", "/{}/register/code", "/{}/r", "/{}/link/code", "/{}/login/help", "/{}/theme.x.css"):
        looks = []
        for slug in ("abc", "xyz"):
            person = Watched(web)
            person.client.get(path.format(slug), base_url=ISSUER)
            looks.append(person.transcript(slug))
        assert looks[0] == looks[1]
        assert looks[0][0].startswith("404")
    looks = []
    for slug in ("abc", "xyz"):
        rp = RelyingParty(web, f"client-{slug}", f"https://{slug}.example.ch/callback")
        person = Watched(web)
        person.client.get(rp.request(), base_url=ISSUER)
        person.client.get("/logout", query_string={"client_id": rp.client_id}, base_url=ISSUER)
        looks.append(person.transcript(slug))
    assert looks[0] == looks[1]
