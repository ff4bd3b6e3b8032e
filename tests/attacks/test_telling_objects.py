"""What our objects and the exceptions that pass through our code say of themselves, and what they keep to themselves.

A repr ends in tracebacks, debuggers and careless logs. Whole journeys are walked while every object of ours that a
function holds or returns, and every exception in flight, is asked for its repr; no secret may stand in one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

import pyotp
import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.delivery import Worker
from idp.settings import Settings, SettingsError
from keys.master import new_master_key
from tests.actions import PASSWORD, finish_registration, letter, sign_in
from tests.support.builders import add_person
from tests.support.canaries import Canaries
from tests.support.person import Person, newest_code, newest_message
from tests.support.relying_party import PORTAL_SECRET, VERIFIER, RelyingParty, answer_of

OURS = ("idp.", "flows.", "keys.")
LONGEST = 4_000
EMAIL = "quirinde.zyklamer@oberhorn.example.ch"


class Listener:
    """Collects reprs, by the class that spoke."""

    def __init__(self) -> None:
        self.said: dict[str, set[str]] = {}
        self._is_listening = False

    def trace(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        if not str(frame.f_globals.get("__name__", "")).startswith(OURS):
            return None
        frame.f_trace_lines = False
        if event == "return":
            for value in (argument, *frame.f_locals.values()):
                self.ask(value)
        elif event == "exception":
            self.ask(argument[1], force=True)
        return self.trace

    def ask(self, value: object, *, force: bool = False) -> None:
        kind = type(value)
        if self._is_listening or not (force or kind.__module__.startswith(OURS)):
            return
        self._is_listening = True  # a repr may call our own code
        try:
            self.said.setdefault(f"{kind.__module__}.{kind.__qualname__}", set()).add(f"{value!r} {value}")
        finally:
            self._is_listening = False


@contextmanager
def listening() -> Iterator[Listener]:
    listener, before = Listener(), sys.gettrace()
    sys.settrace(listener.trace)
    try:
        yield listener
    finally:
        sys.settrace(before)


def walk(web: Flask, clock: FrozenClock, portal: Portal, rp: RelyingParty, canaries: Canaries) -> None:
    """Registration by both factors, sign-in, exchange, refresh, errors, delivery."""
    seed, services = canaries.seed, web.extensions["connect"]
    code = seed("letter code", letter(services, portal))
    person = Person(web)
    person.open(f"/{portal.slug}/register/code")
    person.submit(code=seed("letter code mistyped", code[:-1] + ("Z" if code[-1] != "Z" else "Y")))
    finish_registration(person, code, EMAIL)
    seed("CSRF token", re.findall(r'name="csrf_token" value="([^"]+)"', person_page(person))[0])
    for cookie in ("connect_browser", "connect_session"):
        found = person.client.get_cookie(cookie, domain="localhost")
        assert found
        seed(cookie, found.value)
    clock.advance(timedelta(minutes=1))
    person.open(rp.request(prompt="login"))
    person.submit(email=EMAIL, password=seed("password guessed", "nicht " + PASSWORD))
    sign_in(person, EMAIL)
    seed("code by SMS", newest_code("sms"))
    seed("text of a mail", newest_message("mail").split("\n")[-3])
    answer = answer_of(person.address)
    seed("authorization code", answer["code"])
    tokens = rp.redeem(answer["code"]).get_json()
    later = rp.refresh(tokens["refresh_token"]).get_json()
    for name in ("access_token", "refresh_token", "id_token"):
        seed(name, tokens[name])
        seed(name, later[name])
    rp.userinfo(later["access_token"])
    rp.redeem(answer["code"])
    RelyingParty(web, rp.client_id, rp.redirect_uri, seed("client secret guessed", "gu3ssed-secret")).refresh("x")
    person.open(f"/logout?id_token_hint={later['id_token']}")
    by_app(web, services, portal, canaries)
    Worker(web).run_once()


def person_page(person: Person) -> str:
    person.open("/logout")  # asks, and so has a form
    return person.text


def by_app(web: Flask, services: Services, portal: Portal, canaries: Canaries) -> None:
    person = Person(web)
    person.open(f"/{portal.slug}/register/code")
    person.submit(code=canaries.seed("letter code", letter(services, portal, "P-2")))
    person.submit(email=canaries.seed("address with a slip", "second@gmial.com"))
    canaries.seed("address as proposed", "second@gmail.com")
    person.submit(email="second@oberhorn.example.ch")
    person.submit(otp=canaries.seed("code by mail", newest_code("mail")))
    person.submit(birth_date="27.3.1958", password=PASSWORD, terms="yes", factor="app")
    found = re.search(r"secret=([A-Z2-7]{32})", person.text)
    assert found
    app = pyotp.TOTP(canaries.seed("authenticator seed", found[1]))
    person.submit(otp=canaries.seed("code of the app", app.at(services.clock.now())))
    assert person.title == "Votre inscription est terminée"
    person.open("/account")
    assert "second@oberhorn.example.ch" in person.text
    add_person(portal, external_id="P-3")
    (letter_made,) = services.letters.compose(portal, services.letters.uninvited(portal))
    canaries.seed("letter code", letter_made.code)
    services.letters.render([letter_made])
    services.letters.issue([letter_made])
    db.session.commit()


@pytest.fixture
def listened(
    web: Flask, services: Services, portal: Portal, rp: RelyingParty, clock: FrozenClock
) -> tuple[Canaries, Listener]:  # fmt: skip
    canaries = Canaries()
    for name, value in {
        "password": PASSWORD, "client secret": PORTAL_SECRET, "code verifier": VERIFIER, "address": EMAIL,
        "number": "+41791234567", "person": "Müller", "insured number": "756.1234.5678.97", "born": "1958-03-27",
        "key of the SMS gateway": services.settings.sms_secret.get_secret_value(),
    }.items():  # fmt: skip
        canaries.seed(name, value)
    with listening() as listener:
        walk(web, clock, portal, rp, canaries)
    return canaries, listener


def test_no_repr_and_no_exception_tells_a_secret_or_a_person(listened: tuple[Canaries, Listener]) -> None:
    canaries, listener = listened
    assert {"idp.services.outbox.Content", "idp.protocol.client_auth.Presented"} <= set(listener.said)
    told = {
        kind: names for kind, said in listener.said.items() if (names := sorted(set(canaries.find("\n".join(said)))))
    }
    assert told == {}, "\n".join(f"{kind}: {names}" for kind, names in told.items())


def test_a_repr_is_short_enough_to_be_read(listened: tuple[Canaries, Listener]) -> None:
    _, listener = listened
    assert {kind: max(map(len, said)) for kind, said in listener.said.items() if max(map(len, said)) > LONGEST} == {}


def test_settings_keep_their_secrets(environment: dict[str, str]) -> None:
    secrets = {
        name: f"S3cr{number}-kQ9vXz7LpR4tWm2Bn8Yh6" for number, name in enumerate(("db", "redis", "smtp", "sms"))
    }
    key = new_master_key()
    given = {
        "CONNECT_DATABASE_URL": f"postgresql+psycopg://connect:{secrets['db']}@db.example.ch/connect",
        "CONNECT_REDIS_URL": f"redis://:{secrets['redis']}@redis.example.ch/0", "CONNECT_SMTP_USERNAME": "connect",
        "CONNECT_SMTP_PASSWORD": secrets["smtp"], "CONNECT_SMS_SECRET": secrets["sms"] + "x" * 20,
        "CONNECT_MASTER_KEY": key,
    }  # fmt: skip
    settings = Settings.from_environ({**environment, **given})
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environ({**environment, **given, "CONNECT_ISSUER": "x", "CONNECT_SMTP_PORT": secrets["smtp"]})
    for value in (*secrets.values(), key):
        assert value not in f"{settings!r} {settings} {wrong.value!r} {wrong.value}"


def test_an_error_of_the_database_repeats_no_value(app: Flask, services: Services, clock: FrozenClock) -> None:
    given = {
        "email": EMAIL,
        "given_name": "Q",
        "family_name": "Z",
        "language": "fr",
        "password_hash": "$argon2id$canary",
    }
    services.accounts.create(**given)
    with pytest.raises(Exception, match="account") as twice:
        services.accounts.create(**given)
    db.session.rollback()
    assert "canary" not in str(twice.value)
    assert "[parameters" not in str(twice.value).replace("SQL parameters hidden", "")
