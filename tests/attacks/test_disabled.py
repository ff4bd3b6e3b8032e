"""C-45, C-46, C-77: an account or a portal that is disabled between any two steps gets nothing any more, at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Account, Password
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import letter
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.walks import BORN, VARIANTS, World, cells, sent, waiting_handle


def set_status(email: str, status: str) -> None:
    db.session.rollback()
    db.session.scalars(select(Account).where(Account.email == email)).one().status = status
    db.session.commit()


def disable(portal: Portal, clock: FrozenClock, *, off: bool = True) -> None:
    db.session.rollback()
    db.session.get_one(Portal, portal.id).disabled_at = clock.now() if off else None
    db.session.commit()


def code_for(rp: RelyingParty, person: Person) -> str:
    person.open(rp.request())
    return answer_of(person.address)["code"]


Attempt = Callable[[RelyingParty, Person, dict[str, str]], bool]


def _is_signed_in(rp: RelyingParty, person: Person, given: dict[str, str]) -> bool:
    person.open(rp.request(prompt="none"))
    return "code" in person.address


def _sees_the_account(rp: RelyingParty, person: Person, given: dict[str, str]) -> bool:
    person.open("/account")
    return "helene@example.ch" in person.text


def _goes_into_the_portal(rp: RelyingParty, person: Person, given: dict[str, str]) -> bool:
    return person.client.get("/cpx/login", base_url=ISSUER).headers["Location"].startswith("https://")


CHANNELS: dict[str, Attempt] = {
    "code": lambda rp, person, given: rp.redeem(given["code"]).status_code == 200,
    "refresh token": lambda rp, person, given: rp.refresh(given["refresh_token"]).status_code == 200,
    "access token": lambda rp, person, given: rp.userinfo(given["access_token"]).status_code == 200,
    "single sign-on": _is_signed_in,
    "account page": _sees_the_account,
    "way into the portal": _goes_into_the_portal,
}


def test_a_disabled_account_gets_nothing_by_any_channel(rp: RelyingParty, person: Person) -> None:
    for channel, attempt in CHANNELS.items():
        for status, is_let_in in (("disabled", False), ("closed", False), ("active", True)):
            set_status("helene@example.ch", "active")
            given = rp.redeem(code_for(rp, person)).get_json()
            given["code"] = code_for(rp, person)
            set_status("helene@example.ch", status)
            assert attempt(rp, person, given) == is_let_in, (channel, status)


def test_an_account_disabled_between_two_steps_of_a_sign_in_is_asked_again_like_a_stranger(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    portal, numbers = add_portal(), count(1)
    for variant in [one for one in VARIANTS if one.journey.name == "login"]:
        for by_click in (True, False):
            world = World(web, services, clock, portal, variant, next(numbers))
            world.walk_to(variant.stops()[-1].name)
            answer, texts = world.right(variant.stops()[-1].name), sent()
            set_status(world.email, "disabled")
            if by_click:
                world.person.submit(**answer)
            else:
                world.person.open(world.person.address)
            assert world.person.title == "Connexion à Caisse CPX"
            assert "L’adresse e-mail ou le mot de passe n’est pas juste" in world.person.text
            world.person.submit(**world.right("credentials"))
            assert "L’adresse e-mail ou le mot de passe n’est pas juste" in world.person.text
            assert sent() == texts
    assert db.session.scalar(select(func.count()).select_from(Session)) == 0


def test_nothing_is_texted_to_a_disabled_account(web: Flask, services: Services, clock: FrozenClock) -> None:
    variant = next(one for one in VARIANTS if one.journey.name == "login")
    world = World(web, services, clock, add_portal(), variant, 1)
    world.walk_to("sms_code")
    texts, form = sent(), world.person.filled()[1]
    set_status(world.email, "disabled")
    for suffix in ("/do/resend", ""):
        address = world.path("sms_code").replace("?", suffix + "?")
        world.person.post((address, {**form, "nonce": suffix, "method": "sms"}))
    assert sent() == texts


def test_an_account_disabled_while_a_portal_is_being_added_gets_no_portal(
    web: Flask, services: Services, portal: Portal, person: Person
) -> None:
    other = add_portal("fon")
    person.open("/fon/link/code")
    person.submit(code=letter(services, other, "P-9"))
    assert person.title == "Relier Caisse FON à votre compte"
    set_status("helene@example.ch", "disabled")
    person.submit(birth_date=BORN)
    assert person.title == "Connexion à Caisse FON"
    set_status("helene@example.ch", "active")
    account = db.session.scalars(select(Account)).one()
    assert services.accounts.record_of(account.id, other.id) is None


def _is_redirected(path: str) -> Attempt:
    return lambda rp, person, given: (
        person.client.get(path.format(**given, request=rp.request()), base_url=ISSUER).status_code == 303
    )


PORTAL_CHANNELS: dict[str, Attempt] = {
    "authorize": _is_redirected("{request}"),
    "code": CHANNELS["code"],
    "refresh token": CHANNELS["refresh token"],
    "access token": CHANNELS["access token"],
    "sign-in": _is_redirected("/cpx/login"),
    "registration": _is_redirected("/cpx/register/code"),
    "waiting request": _is_redirected("/authorize/resume/{waiting}"),
    "logout": _is_redirected("/logout?id_token_hint={id_token}&post_logout_redirect_uri=https://cpx.example.ch/bye"),
}


def test_a_disabled_portal_gets_nothing_by_any_channel(
    rp: RelyingParty, person: Person, portal: Portal, clock: FrozenClock, services: Services
) -> None:
    for channel, attempt in PORTAL_CHANNELS.items():
        for off in (True, False):
            given = rp.redeem(code_for(rp, person)).get_json()
            given["code"] = code_for(rp, person)
            clock.advance(timedelta(seconds=1))
            login = person.client.get(rp.request(prompt="login"), base_url=ISSUER).headers["Location"]
            given["waiting"] = waiting_handle(services, login)
            disable(portal, clock, off=off)
            assert attempt(rp, person, given) != off, channel
            disable(portal, clock, off=False)


def test_a_portal_disabled_between_two_steps_stops_every_walk(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    portal, numbers = add_portal(), count(1)
    add_portal("home")
    for variant, step in cells("disabled"):
        world = World(web, services, clock, portal, variant, next(numbers))
        world.walk_to(step.name)
        form, texts = world.person.filled(**world.right(step.name)), sent()
        held = world.run().state
        disable(portal, clock)
        assert world.person.post(form)[0].status_code == 404
        world.person.open(form[0])
        assert world.person.page.status_code == 404
        assert sent() == texts
        disable(portal, clock, off=False)
        world.person.open(form[0])
        assert world.run().state == held
        world.finish(step.name)


def test_a_password_that_is_set_while_the_old_one_is_judged_is_the_one_that_counts(
    web: Flask, services: Services, clock: FrozenClock, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(web, services, clock, portal, next(one for one in VARIANTS if one.journey.name == "login"), 1)
    world.begin()
    account_id = services.accounts.find_id(world.email)
    queue, judge = services.passwords.queue, services.passwords.queue.run

    def overtaken(work: Callable[[], Any]) -> Any:
        clock.advance(timedelta(seconds=1))
        found = judge(work)
        db.session.get_one(Password, account_id).changed_at = clock.now()
        db.session.commit()
        clock.advance(timedelta(seconds=1))
        return found

    monkeypatch.setattr(queue, "run", overtaken)
    world.answer("credentials")
    assert world.is_at("credentials")
    assert world.person.errors() == ["email"]
