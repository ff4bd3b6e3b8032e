"""Passkeys: what the browser is asked, and which answers are good, once, here, and for whom."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.passkey import Passkey, passkeys_of
from idp.services.bundle import Services
from idp.services.passkey_providers import proposed_name
from idp.services.passkeys import Rejected
from tests.support.authenticator import BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED, Authenticator, unb64

BROWSER = "browser|run"
LIES: list[dict[str, Any]] = [
    {"origin": "https://evil.example"},
    {"origin": "http://localhost:8001"},
    {"origin": "http://localhost:8000/"},
    {"rp_id": "evil.example"},
    {"kind": "webauthn.other"},
    {"flags": USER_PRESENT},
    {"flags": USER_VERIFIED},
    {"cross_origin": True},
    {"challenge": "AAAA"},
    {"challenge": ""},
]


def account(services: Services, email: str = "helene@example.ch") -> Account:
    made = services.accounts.create(
        email=email, given_name="Hélène", family_name="Müller", language="fr", password_hash="x"
    )
    db.session.commit()
    return made


def enrol(services: Services, owner: Account, device: Authenticator) -> Passkey:
    options = services.passkeys.creation_options(owner, BROWSER)
    made = services.passkeys.create(owner, BROWSER, device.create(options), "Bitwarden")
    assert isinstance(made, Passkey)
    db.session.commit()
    return made


def reason(outcome: Passkey | Rejected) -> str:
    return outcome.reason if isinstance(outcome, Rejected) else "accepted"


def test_a_passkey_is_made_and_opens(app: Flask, services: Services, clock: FrozenClock) -> None:
    owner, device = account(services), Authenticator()
    made = enrol(services, owner, device)
    assert (made.account_id, made.sign_count, made.last_used_at, made.backed_up) == (owner.id, 0, None, False)
    assert made.transports == ["internal", "hybrid"]
    clock.advance(timedelta(days=1))
    signed = device.sign(services.passkeys.sign_in_options(BROWSER), flags=0x05 | BACKUP_ELIGIBLE | BACKED_UP)
    found = services.passkeys.verify(BROWSER, signed)
    assert isinstance(found, Passkey)
    db.session.commit()
    db.session.refresh(found)
    assert (found.id, found.last_used_at, found.backed_up) == (made.id, clock.now(), True)


def test_the_browser_is_asked_for_a_verified_person_and_told_no_account(app: Flask, services: Services) -> None:
    owner = account(services)
    first, second = Authenticator(), Authenticator()
    enrol(services, owner, first)
    options = json.loads(services.passkeys.creation_options(owner, BROWSER))
    assert options["rp"] == {"name": "Connect", "id": "localhost"}
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [unb64(one["id"]) for one in options["excludeCredentials"]] == [first.credential_id]
    handle = unb64(options["user"]["id"])
    assert len(handle) == 32
    assert owner.id.bytes not in handle
    enrol(services, owner, second)
    assert first.user_handle == second.user_handle == handle
    asked = json.loads(services.passkeys.sign_in_options(BROWSER))
    assert asked["userVerification"] == "required"
    assert asked["rpId"] == "localhost"
    assert not asked.get("allowCredentials")


def test_every_challenge_is_another(app: Flask, services: Services) -> None:
    """OWASP ASVS 5.0 §6.7.2: at least 64 bits, unique over the life of the installation."""
    challenges = {json.loads(services.passkeys.sign_in_options(BROWSER))["challenge"] for _ in range(2000)}
    assert len(challenges) == 2000


@pytest.mark.parametrize("lies", LIES)
def test_no_passkey_is_made_from_a_lie(app: Flask, services: Services, lies: dict[str, Any]) -> None:
    owner = account(services)
    options = services.passkeys.creation_options(owner, BROWSER)
    assert isinstance(services.passkeys.create(owner, BROWSER, Authenticator().create(options, **lies), "x"), Rejected)
    assert passkeys_of(owner.id) == []


@pytest.mark.parametrize(
    "lies",
    [*LIES, {"user_handle": b"somebody else"}, {"user_handle": b""}, {"key": ec.generate_private_key(ec.SECP256R1())}],
)
def test_no_lie_opens(app: Flask, services: Services, lies: dict[str, Any]) -> None:
    device = Authenticator()
    enrol(services, account(services), device)
    options = services.passkeys.sign_in_options(BROWSER)
    assert isinstance(services.passkeys.verify(BROWSER, device.sign(options, **lies)), Rejected)
    assert isinstance(
        services.passkeys.verify(BROWSER, device.sign(services.passkeys.sign_in_options(BROWSER))), Passkey
    )


def test_an_answer_serves_once(app: Flask, services: Services) -> None:
    owner, device = account(services), Authenticator()
    created = device.create(services.passkeys.creation_options(owner, BROWSER))
    assert isinstance(services.passkeys.create(owner, BROWSER, created, "x"), Passkey)
    assert reason(services.passkeys.create(owner, BROWSER, created, "x")) == "challenge"
    signed = device.sign(services.passkeys.sign_in_options(BROWSER))
    assert isinstance(services.passkeys.verify(BROWSER, signed), Passkey)
    assert reason(services.passkeys.verify(BROWSER, signed)) == "challenge"


def test_a_refused_answer_has_used_its_challenge_up(app: Flask, services: Services) -> None:
    device = Authenticator()
    enrol(services, account(services), device)
    options = services.passkeys.sign_in_options(BROWSER)
    assert reason(services.passkeys.verify(BROWSER, device.sign(options, flags=USER_PRESENT))) == "forged"
    db.session.rollback()
    assert reason(services.passkeys.verify(BROWSER, device.sign(options))) == "challenge"


def test_a_challenge_is_bound_to_its_browser_purpose_and_time(
    app: Flask, services: Services, clock: FrozenClock
) -> None:
    owner, device = account(services), Authenticator()
    enrol(services, owner, device)
    options = services.passkeys.sign_in_options(BROWSER)
    assert reason(services.passkeys.verify("another browser", device.sign(options))) == "challenge"
    for_creation = services.passkeys.creation_options(owner, BROWSER)
    assert reason(services.passkeys.verify(BROWSER, device.sign(for_creation))) == "challenge"
    clock.advance(timedelta(minutes=5))
    assert reason(services.passkeys.verify(BROWSER, device.sign(options))) == "challenge"
    options = services.passkeys.sign_in_options(BROWSER)
    clock.advance(timedelta(minutes=4, seconds=59))
    assert reason(services.passkeys.verify(BROWSER, device.sign(options))) == "accepted"


def test_a_counter_that_does_not_go_forward_is_a_copied_key(app: Flask, services: Services) -> None:
    device = Authenticator(sign_count=5)
    owner = account(services)
    enrol(services, owner, device)
    outcomes = []
    for count in (5, 4, 0, 6, 6, 2**32 - 1):
        options = services.passkeys.sign_in_options(BROWSER)
        outcomes.append(reason(services.passkeys.verify(BROWSER, device.sign(options, sign_count=count))))
        db.session.commit()
    assert outcomes == ["counter", "counter", "counter", "accepted", "counter", "accepted"]


def test_the_key_of_one_account_never_opens_another(app: Flask, services: Services) -> None:
    """Security review C-15: a passkey that claims the user handle of somebody else."""
    mine, theirs = Authenticator(), Authenticator()
    enrol(services, account(services), mine)
    victim = account(services, "victim@example.ch")
    enrol(services, victim, theirs)
    signed = mine.sign(services.passkeys.sign_in_options(BROWSER), user_handle=theirs.user_handle)
    assert reason(services.passkeys.verify(BROWSER, signed)) == "owner"
    stolen_id = replace(mine, credential_id=theirs.credential_id, user_handle=theirs.user_handle)
    assert (
        reason(services.passkeys.verify(BROWSER, stolen_id.sign(services.passkeys.sign_in_options(BROWSER))))
        == "forged"
    )
    options = services.passkeys.creation_options(victim, BROWSER)
    taken = services.passkeys.create(victim, BROWSER, mine.create(options), "x")
    assert reason(taken) == "known"


def test_an_account_that_may_not_sign_in_does_not(app: Flask, services: Services) -> None:
    owner, device = account(services), Authenticator()
    enrol(services, owner, device)
    owner.status = "disabled"
    db.session.commit()
    assert (
        reason(services.passkeys.verify(BROWSER, device.sign(services.passkeys.sign_in_options(BROWSER)))) == "disabled"
    )


ENDS = ["", "[]", "{}", "null", "1", '"x"', "[" * 10_000, "{" * 3_000, "x" * 20_000]


@pytest.mark.sqlite_only
def test_whatever_is_sent_is_an_answer_and_no_fault(app: Flask, services: Services) -> None:
    """Each part of a good answer replaced by something else, and answers that are none."""
    owner, device = account(services), Authenticator()
    enrol(services, owner, device)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def judge(data: st.DataObject) -> None:
        is_creation = data.draw(st.booleans())
        ask = (
            services.passkeys.creation_options(owner, BROWSER)
            if is_creation
            else services.passkeys.sign_in_options(BROWSER)
        )
        answer = json.loads(device.create(ask) if is_creation else device.sign(ask))
        place = data.draw(st.sampled_from([answer, answer["response"]]))
        name = data.draw(st.sampled_from(sorted(place)))
        leaf = st.one_of(
            st.none(), st.integers(), st.text(), st.lists(st.text()), st.sampled_from(["AA", "oA", "\0", "\ud800"])
        )
        if name in {"userHandle", "clientExtensionResults", "authenticatorAttachment", "transports"}:
            return
        place[name] = data.draw(leaf)
        sent = json.dumps(answer)
        outcome = (
            services.passkeys.create(owner, BROWSER, sent, "x")
            if is_creation
            else services.passkeys.verify(BROWSER, sent)
        )
        assert isinstance(outcome, Rejected)

    judge()
    for sent in ENDS:
        assert reason(services.passkeys.verify(BROWSER, sent)) == "malformed"
        assert reason(services.passkeys.create(owner, BROWSER, sent, "x")) == "malformed"


def test_a_passkey_is_called_by_its_provider_else_by_the_device() -> None:
    assert proposed_name("d548826e-79b4-db40-a3d8-11116f7e8349", "Firefox, Windows") == "Bitwarden"
    assert proposed_name("00000000-0000-0000-0000-000000000000", "Firefox, Windows") == "Firefox, Windows"
