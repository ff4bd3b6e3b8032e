"""A pushed request is of use to the client that pushed it alone, once, and nobody guesses its address (RFC 9126 §7)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.authorization import AuthorizationCode, PushedRequest
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import link, sign_in
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of
from tests.support.signing_party import at, push, pushed
from tests.support.walks import waiting_handle

PARALLEL = 16


def assert_page(person: Person, address: str) -> None:
    person.open(address)
    assert person.page.status_code == 400, address
    assert "Location" not in person.page.headers


def test_another_client_cannot_use_it(web: Flask, rp: RelyingParty, person: Person, services: Services) -> None:
    other = add_portal("fon", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    link(services, other)
    thief = RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET)
    request_uri = push(rp).get_json()["request_uri"]
    assert_page(person, at(thief, request_uri))
    person.open(at(thief, request_uri, redirect_uri=thief.redirect_uri, state="x"))
    assert answer_of(person.address)["error"] == "invalid_request_uri"
    assert_page(person, at(thief, request_uri, redirect_uri=rp.redirect_uri))
    person.open(at(rp, request_uri))
    assert "code" in answer_of(person.address)  # the attempts of another client used nothing up


def test_a_client_cannot_push_for_another(web: Flask, rp: RelyingParty, services: Services) -> None:
    add_portal("fon")
    assert push(rp, client_id="client-fon").get_json()["error"] == "invalid_client"


def test_no_variant_of_the_address_works(rp: RelyingParty, person: Person) -> None:
    request_uri = push(rp).get_json()["request_uri"]
    last = "B" if request_uri[-1] == "A" else "A"
    variants = [
        request_uri[:-1], request_uri + "A", request_uri[:-1] + last, request_uri.upper(), request_uri + "%00",
        request_uri + "#x", request_uri + "?x", " " + request_uri, request_uri + " ", request_uri[:33],
        request_uri.replace("cc_ru_", ""), request_uri.replace("cc_ru_", "cc_code_"), request_uri + "\0", "é" * 50,
    ]  # fmt: skip
    for variant in variants:
        assert_page(person, at(rp, variant))
    person.open(at(rp, request_uri))
    assert "code" in answer_of(person.address)


def test_it_is_no_code_and_no_token_and_they_are_no_request(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request())
    code = answer_of(person.address)["code"]
    request_uri = push(rp).get_json()["request_uri"]
    secret = request_uri.rpartition(":")[2]
    for wrong in (secret, request_uri):
        assert rp.redeem(wrong).get_json()["error"] == "invalid_grant"
        assert rp.refresh(wrong).get_json()["error"] == "invalid_grant"
        assert rp.userinfo(wrong).status_code == 401
    assert_page(person, at(rp, f"urn:ietf:params:oauth:request_uri:{code}"))
    assert secret not in str([row.__dict__ for row in db.session.scalars(select(PushedRequest))])


def test_a_disabled_portal_is_shut_out(rp: RelyingParty, portal: Portal, person: Person, services: Services) -> None:
    address = pushed(rp)
    db.session.get_one(Portal, portal.id).disabled_at = services.clock.now()
    db.session.commit()
    assert_page(person, address)
    assert push(rp).status_code == 401


def codes_given(app: Flask, person: Person, address: str) -> int:
    """How many of many visits of one browser at once are answered with a code."""
    kept = {name: person.client.get_cookie(name, domain="localhost") for name in ("connect_session", "connect_browser")}
    cookies = "; ".join(f"{name}={cookie.value}" for name, cookie in kept.items() if cookie)
    db.session.remove()
    barrier = Barrier(PARALLEL)

    def visit(_: int) -> bool:
        barrier.wait()
        response = app.test_client(use_cookies=False).get(address, headers={"Cookie": cookies}, base_url=ISSUER)
        return "code=" in response.headers.get("Location", "")

    with ThreadPoolExecutor(PARALLEL) as pool:
        return sum(pool.map(visit, range(PARALLEL)))


def test_of_many_visits_at_once_one_gets_a_code(rp: RelyingParty, person: Person) -> None:
    assert codes_given(rp.app, person, pushed(rp)) == 1
    assert db.session.query(AuthorizationCode).count() == 1


def test_of_many_returns_at_once_one_gets_a_code(
    rp: RelyingParty, person: Person, clock: FrozenClock, services: Services
) -> None:
    clock.advance(timedelta(hours=13))
    handle = waiting_handle(services, person.client.get(rp.request(), base_url=ISSUER).headers["Location"])
    person.open("/cpx/login")
    sign_in(person)
    assert codes_given(rp.app, person, f"/authorize/resume/{handle}") == 1
    assert db.session.query(AuthorizationCode).count() == 1
