"""What a portal is told of a sign-in at a trusted device, and which requests are never content with one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol.interactions import Interaction, needed
from idp.services.bundle import Services
from idp.services.portal_details import faults_in
from tests.actions import PASSWORD
from tests.attacks.test_trusted_device import CODE, HELENE, trust
from tests.protocol.test_authentication_context import NOW, REQUEST, SOMEBODY
from tests.support.person import Person, newest_code
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.walks import add_account

ESSENTIAL = json.dumps({"id_token": {"acr": {"essential": True, "values": ["mfa"]}}})
WHAT_A_FUND_SAYS = {
    "slug": "cpx", "names": {"fr": "Caisse"}, "short_name": "Caisse", "phone": "058 123 45 67",
    "email": "aide@cpx.example.ch", "home_url": "https://cpx.example.ch/", "redirect_uris": ["https://cpx.example.ch/"],
    "trusted_devices": True,
}  # fmt: skip


@pytest.fixture
def person(web: Flask, services: Services, portal: Portal, clock: FrozenClock) -> Person:
    """Somebody who trusts their browser and is not signed in."""
    portal.trusted_devices = True
    add_account(services, portal, HELENE)
    person = trust(web, clock)
    person.client.delete_cookie("connect_session")
    clock.advance(timedelta(minutes=2))
    return person


def ask(rp: RelyingParty, person: Person, **changes: str) -> bool:
    """Whether the password is enough for this request."""
    person.open(rp.request(**changes))
    if person.title == "Connexion à Caisse CPX":
        person.submit(email=HELENE, password=PASSWORD)
    return person.title != CODE


def tokens(rp: RelyingParty, person: Person) -> dict[str, Any]:
    found: dict[str, Any] = rp.redeem(answer_of(person.address)["code"]).get_json()
    return found


def test_the_portal_is_told_that_it_was_the_password_and_the_device(rp: RelyingParty, person: Person) -> None:
    assert ask(rp, person)
    claims = rp.claims(tokens(rp, person)["id_token"])
    assert (claims["acr"], claims["amr"]) == ("trusted_device", ["pwd"])


@pytest.mark.parametrize(
    "changes",
    [
        {"acr_values": "mfa"}, {"acr_values": "phr mfa"}, {"claims": ESSENTIAL}, {"prompt": "login"},
        {"max_age": "36000"}, {"max_age": "0"}, {"prompt": "login consent"},
    ],
)  # fmt: skip
def test_whoever_asks_for_more_gets_both_factors(
    rp: RelyingParty, person: Person, clock: FrozenClock, changes: dict[str, str]
) -> None:
    """With and without a session that the device opened before."""
    assert ask(rp, person)
    clock.advance(timedelta(minutes=2))
    assert not ask(rp, person, **changes)
    person.client.delete_cookie("connect_session")
    assert not ask(rp, person, **changes)
    person.submit(otp=newest_code("sms"))
    claims = rp.claims(tokens(rp, person)["id_token"])
    assert (claims["acr"], claims["amr"]) == ("mfa", ["pwd", "sms", "mfa"])


@pytest.mark.parametrize("changes", [{}, {"acr_values": "unheard-of"}, {"prompt": "select_account"}])
def test_whoever_asks_for_nothing_more_is_content(rp: RelyingParty, person: Person, changes: dict[str, str]) -> None:
    assert ask(rp, person, **changes)


def test_nobody_can_ask_for_it_by_name(rp: RelyingParty, person: Person, portal: Portal) -> None:
    portal.trusted_devices = False
    db.session.commit()
    person.open(rp.request(claims=ESSENTIAL.replace("mfa", "trusted_device")))
    assert answer_of(person.address)["error"] == "unmet_authentication_requirements"
    assert not ask(rp, person, acr_values="trusted_device")


def test_tokens_end_where_the_portal_trusts_no_more(rp: RelyingParty, person: Person, portal: Portal) -> None:
    """RFC 9470 §3: a stronger sign-in is asked for by name."""
    ask(rp, person)
    token = tokens(rp, person)["access_token"]
    assert rp.userinfo(token).status_code == 200
    portal.trusted_devices = False
    db.session.commit()
    answer = rp.userinfo(token)
    assert answer.status_code == 401
    assert 'error="insufficient_user_authentication"' in answer.headers["WWW-Authenticate"]
    assert 'acr_values="mfa phr"' in answer.headers["WWW-Authenticate"]


def test_a_sign_in_in_another_tab_that_is_not_enough_leads_to_one_that_is(
    rp: RelyingParty, person: Person, clock: FrozenClock
) -> None:
    other = Person(rp.app)
    other.client = person.client
    other.open(rp.request(acr_values="mfa"))
    clock.advance(timedelta(seconds=5))
    assert ask(rp, person)
    clock.advance(timedelta(seconds=5))
    other.open(other.address)
    other.submit(email=HELENE, password=PASSWORD)
    assert other.title == CODE
    other.submit(otp=newest_code("sms"))
    assert rp.claims(tokens(rp, other)["id_token"])["acr"] == "mfa"


def test_the_policy_sends_a_fresh_but_weak_sign_in_on_instead_of_refusing_it() -> None:
    weak = replace(SOMEBODY, acr="trusted_device", auth_time=NOW)
    assert needed(REQUEST, weak, NOW) is Interaction.LOGIN
    assert needed(replace(REQUEST, accepted_acr=("mfa", "phr", "trusted_device")), weak, NOW) is None


@pytest.mark.parametrize(
    "said", [{"allowed_acr": ["phr"]}, {"default_acr_values": ["mfa"]}, {"default_max_age": 3600}, {}]
)
def test_a_portal_that_always_demands_more_cannot_switch_it_on(said: dict[str, Any]) -> None:
    faults = faults_in({**WHAT_A_FUND_SAYS, **said})
    assert [fault.split(":")[0] for fault in faults] == (["trusted_devices"] if said else [])
