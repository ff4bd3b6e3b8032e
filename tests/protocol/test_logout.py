"""RP-initiated logout: straight out with a valid hint, a question without, and never to an unregistered address."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask

from idp.clock import FrozenClock
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import register
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of

BYE = "https://cpx.example.ch/bye"


def tokens(rp: RelyingParty, person: Person) -> dict[str, str]:
    person.open(rp.request())
    found: dict[str, str] = rp.redeem(answer_of(person.address)["code"]).get_json()
    return found


def leave(person: Person, **query: str) -> None:
    response = person.client.get("/logout", query_string=query, base_url=ISSUER)
    person.page, person.address = response, response.headers.get("Location", "/logout")


def is_signed_in(rp: RelyingParty, person: Person) -> bool:
    person.open(rp.request(prompt="none"))
    return "code" in answer_of(person.address)


def test_with_a_hint_the_person_is_out_and_back_at_the_portal(rp: RelyingParty, person: Person) -> None:
    hint = tokens(rp, person)["id_token"]
    leave(person, id_token_hint=hint, post_logout_redirect_uri=BYE, state="z" * 128)
    assert person.address == f"{BYE}?state={'z' * 128}"
    assert not is_signed_in(rp, person)


def test_an_expired_hint_still_counts(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    hint = tokens(rp, person)["id_token"]
    clock.advance(timedelta(minutes=25))
    leave(person, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert person.address == BYE


def test_a_post_of_the_portal_works_like_a_get(rp: RelyingParty, person: Person) -> None:
    hint = tokens(rp, person)["id_token"]
    response = person.client.post(
        "/logout", data={"id_token_hint": hint, "post_logout_redirect_uri": BYE}, base_url=ISSUER,
        headers={"Origin": "https://cpx.example.ch"},
    )  # fmt: skip
    assert response.status_code == 303
    assert person.client.get(response.headers["Location"], base_url=ISSUER).headers["Location"] == BYE


def test_without_a_hint_the_person_is_asked(rp: RelyingParty, person: Person) -> None:
    for query in (
        {},
        {"state": "x"},
        {"post_logout_redirect_uri": BYE},
        {"client_id": rp.client_id, "post_logout_redirect_uri": BYE},
    ):
        leave(person, **query)
        assert person.page.status_code == 200
        assert person.title == "Voulez-vous vous déconnecter\u00a0?"
    assert is_signed_in(rp, person)
    leave(person)
    person.submit(extent="all")
    assert person.title == "Votre session est fermée."
    assert "Caisse CPX" in person.text
    assert not is_signed_in(rp, person)


def test_only_one_portal_can_be_left(rp: RelyingParty, person: Person) -> None:
    access = tokens(rp, person)["access_token"]
    leave(person, client_id=rp.client_id)
    person.submit(extent="one")
    assert person.title == "Votre session est fermée."
    assert rp.userinfo(access).status_code == 401
    assert is_signed_in(rp, person)


def test_a_hint_of_somebody_else_asks(
    web: Flask, rp: RelyingParty, portal: Portal, person: Person, services: Services, clock: FrozenClock
) -> None:
    hint = tokens(rp, person)["id_token"]
    clock.advance(timedelta(minutes=5))
    other = register(web, services, portal, "paul@example.ch")
    leave(other, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert other.page.status_code == 200
    assert is_signed_in(rp, other)


def test_the_question_cannot_be_answered_by_another_site(rp: RelyingParty, person: Person) -> None:
    leave(person)
    address, fields = person.filled(extent="all")
    for headers in ({"Origin": "https://evil.example"}, {}, {"Origin": "null"}):
        assert person.client.post(address, data=fields, base_url=ISSUER, headers=headers).status_code == 403
    forged = {**fields, "csrf_token": "x"}
    assert person.client.post(address, data=forged, base_url=ISSUER, headers={"Origin": ISSUER}).status_code == 403
    assert is_signed_in(rp, person)


def test_signed_out_already_is_fine(web: Flask, rp: RelyingParty, person: Person) -> None:
    hint = tokens(rp, person)["id_token"]
    for _ in range(2):
        leave(person, id_token_hint=hint, post_logout_redirect_uri=BYE)
        assert person.address == BYE
    stranger = Person(web)
    leave(stranger)
    assert stranger.title == "Votre session est fermée."
