"""RP-initiated logout: straight out with a valid hint, a question without, and never to an unregistered address."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import RSAKey

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import link, register, sign_in
from tests.attacks.test_forged_tokens import part, payload_of
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of

BYE = "https://cpx.example.ch/bye"


def tokens(rp: RelyingParty, person: Person) -> dict[str, str]:
    person.open(rp.request())
    found: dict[str, str] = rp.redeem(answer_of(person.address)["code"]).get_json()
    return found


QUESTION = "Voulez-vous vous déconnecter\u00a0?"
DONE = "Votre session est fermée."


def leave(person: Person, **query: str | list[str]) -> None:
    response = person.client.get(f"/logout?{urlencode(query, doseq=True)}", base_url=ISSUER)
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


def stays(person: Person, **query: str | list[str]) -> None:
    """The request leads nowhere else: the person sees a page of ours."""
    leave(person, **query)
    assert (person.page.status_code, person.address) == (200, "/logout"), query
    assert person.title in {QUESTION, DONE}


@pytest.mark.parametrize(
    "wrong",
    [
        f"{BYE}?foo=bar", f"{BYE}/", f"{BYE}#x", f"{BYE}%00", "https://cpx.example.ch/bY%65",
        "https://CPX.example.ch/bye", "//cpx.example.ch/bye", "https://cpx.example.ch:443/bye",
        "http://cpx.example.ch/bye", "https://cpx.example.ch/callback", "https://evil.example/",
        "javascript:alert(1)", f" {BYE}", f"{BYE} ", "", "https://fon.example.ch/bye",
    ],
)  # fmt: skip
def test_only_the_registered_address_character_by_character(rp: RelyingParty, person: Person, wrong: str) -> None:
    add_portal("fon")
    stays(person, id_token_hint=tokens(rp, person)["id_token"], post_logout_redirect_uri=wrong, state="x")
    assert person.title == DONE  # the hint was right, so the session is over all the same
    assert not is_signed_in(rp, person)


def test_a_hint_that_is_not_ours_leads_nowhere_and_ends_nothing(
    rp: RelyingParty, person: Person, services: Services
) -> None:
    given = tokens(rp, person)
    claims = payload_of(given["id_token"])
    head, body, signature = given["id_token"].split(".")
    own = RSAKey.generate_key(2048, {"kid": "k"}, private=True)
    by_client = jws.serialize_compact(
        {"alg": "RS256", "kid": "k"}, json.dumps(claims).encode(), own, algorithms=["RS256"]
    )
    unsigned = f"{part({'alg': 'none'})}.{body}."
    wrong = [
        by_client, unsigned, unsigned + signature, f"{head}.{body}.", given["access_token"], given["refresh_token"],
        f"{head}.{part({**claims, 'sub': 'x'})}.{signature}", given["id_token"][:-6], "", "x", "é", "." * 20_000,
        services.keyring.sign({**claims, "iss": "https://other.example"}, alg="RS256", typ="JWT"),
        services.keyring.sign(claims, alg="RS256", typ="at+jwt"),
        services.keyring.sign(claims, alg="RS256", typ="logout+jwt"),
    ]  # fmt: skip
    for hint in wrong:
        stays(person, id_token_hint=hint, post_logout_redirect_uri=BYE, state="x")
        assert person.title == QUESTION, hint[:60]
        stays(person, id_token_hint=hint, client_id=rp.client_id, post_logout_redirect_uri=BYE)
        assert person.title == QUESTION
    assert is_signed_in(rp, person)


def test_a_hint_of_another_portal_than_the_one_named_leads_nowhere(
    web: Flask, rp: RelyingParty, person: Person, services: Services
) -> None:
    other = add_portal("fon", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    link(services, other)
    hint = tokens(RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET), person)["id_token"]
    for address in (BYE, "https://fon.example.ch/bye"):
        stays(person, id_token_hint=hint, client_id=rp.client_id, post_logout_redirect_uri=address)
        assert person.title == QUESTION
    stays(person, id_token_hint=hint, post_logout_redirect_uri=BYE)  # another portal's address
    assert person.title == DONE


@pytest.mark.parametrize("state", ["", " ", "z" * 128, "z" * 6000, "ä&b=c?#%00/é漢字+ %2B", '"><script>'])
def test_state_comes_back_exactly_and_nothing_else(rp: RelyingParty, person: Person, state: str) -> None:
    leave(person, id_token_hint=tokens(rp, person)["id_token"], post_logout_redirect_uri=BYE, state=state, extra="x")
    assert person.address.startswith(f"{BYE}?")
    assert parse_qsl(urlsplit(person.address).query, keep_blank_values=True) == [("state", state)]


def test_without_state_nothing_is_added_and_a_query_of_the_address_stays(
    rp: RelyingParty, person: Person, portal: Portal
) -> None:
    address = f"{BYE}?from=connect"
    db.session.get_one(Portal, portal.id).post_logout_redirect_uris = [BYE, address]
    db.session.commit()
    hint = tokens(rp, person)["id_token"]
    leave(person, id_token_hint=hint, post_logout_redirect_uri=address)
    assert person.address == address
    leave(person, id_token_hint=hint, post_logout_redirect_uri=address, state="x")
    assert person.address == f"{address}&state=x"


@pytest.mark.parametrize("name", ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"])
@pytest.mark.parametrize("by_post", [False, True])
def test_a_repeated_parameter_makes_the_request_mean_nothing(
    rp: RelyingParty, person: Person, name: str, by_post: bool
) -> None:
    right = {
        "id_token_hint": tokens(rp, person)["id_token"], "client_id": rp.client_id, "post_logout_redirect_uri": BYE,
        "state": "x",
    }  # fmt: skip
    twice: dict[str, str | list[str]] = {**right, name: [right[name], right[name]]}
    if by_post:
        sent = person.client.post("/logout", data=twice, base_url=ISSUER)
        person.open(sent.headers["Location"])
    else:
        stays(person, **twice)
    assert person.title == QUESTION
    assert is_signed_in(rp, person)


def test_a_hint_without_an_address_ends_the_session_on_a_page_of_ours(rp: RelyingParty, person: Person) -> None:
    for query in ({}, {"state": "x"}, {"client_id": rp.client_id}):
        stays(person, id_token_hint=tokens(rp, person)["id_token"], **query)
        assert person.title == DONE
        assert "Caisse CPX" in person.text
        assert not is_signed_in(rp, person)
        person.open(rp.request())
        sign_in(person)


def test_a_hint_of_a_session_that_never_was_is_suspect(rp: RelyingParty, person: Person, services: Services) -> None:
    claims = payload_of(tokens(rp, person)["id_token"])
    for sid in (str(uuid4()), "x", None):
        forged = services.keyring.sign({**claims, "sid": sid}, alg="RS256", typ="JWT")
        stays(person, id_token_hint=forged, post_logout_redirect_uri=BYE)
        assert person.title == QUESTION
    assert is_signed_in(rp, person)


def test_a_hint_of_a_former_session_of_the_person_counts(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    hint = tokens(rp, person)["id_token"]
    clock.advance(timedelta(hours=13))
    person.open(rp.request())
    sign_in(person)
    leave(person, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert person.address == BYE
    assert not is_signed_in(rp, person)


def test_a_disabled_portal_leads_nowhere(rp: RelyingParty, person: Person, portal: Portal, services: Services) -> None:
    hint = tokens(rp, person)["id_token"]
    db.session.get_one(Portal, portal.id).disabled_at = services.clock.now()
    db.session.commit()
    stays(person, id_token_hint=hint, post_logout_redirect_uri=BYE)
    stays(person, id_token_hint=hint, client_id=rp.client_id, post_logout_redirect_uri=BYE)
    person.submit(extent="all")
    stays(person, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert person.title == DONE
