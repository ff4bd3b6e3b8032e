"""The code flow as a portal sees it: from the request over the person's sign-in to tokens and claims."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import finish_registration, letter, link, register, sign_in
from tests.support.builders import add_person, add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of, header_of
from tests.support.walks import waiting_handle


def test_a_person_signs_in_for_a_portal_and_the_portal_learns_who(
    rp: RelyingParty, person: Person, clock: FrozenClock
) -> None:
    clock.advance(timedelta(hours=13))
    signed_in_at = int(clock.now().timestamp())
    person.open(rp.request())
    sign_in(person)
    answer = answer_of(person.address)
    assert set(answer) == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("s-1", ISSUER)
    clock.advance(timedelta(seconds=20))
    response = rp.redeem(answer["code"])
    tokens = response.get_json()
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    assert tokens["scope"] == "openid profile email phone insurance offline_access"
    claims = rp.claims(tokens["id_token"])
    assert header_of(tokens["id_token"])["kid"]
    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "at_hash", "nonce"}
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (ISSUER, rp.client_id, "n-1")
    assert (claims["acr"], claims["amr"], claims["auth_time"]) == ("mfa", ["pwd", "sms", "mfa"], signed_in_at)
    assert rp.userinfo(tokens["access_token"]).get_json() == {
        "sub": claims["sub"], "name": "Hélène Müller", "given_name": "Hélène", "family_name": "Müller",
        "birthdate": "1958-03-27", "locale": "fr", "email": "helene@example.ch", "email_verified": True,
        "phone_number": "+41791234567", "phone_number_verified": True, "insured_number": "756.1234.5678.97",
        "external_id": "P-helene@example.ch", "updated_at": int(clock.now().timestamp()) - 13 * 3600 - 20,
    }  # fmt: skip


def test_a_signed_in_person_is_not_asked_again(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    registered_at = int(clock.now().timestamp())
    clock.advance(timedelta(minutes=5))
    person.open(rp.request())
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    assert rp.claims(tokens["id_token"])["auth_time"] == registered_at


def test_registration_for_a_portal_that_asked_returns_to_its_request(
    web: Flask, rp: RelyingParty, portal: Portal, services: Services
) -> None:
    person = Person(web)
    person.open(rp.request(prompt="create"))
    assert person.title == "Saisissez votre code d’inscription"
    finish_registration(person, letter(services, portal), "helene@example.ch")
    person.open(person.text.split('class="button" href="')[1].split('"')[0])
    assert rp.redeem(answer_of(person.address)["code"]).status_code == 200


def test_an_account_of_another_portal_is_asked_for_its_letter(web: Flask, person: Person, services: Services) -> None:
    other = add_portal("fon", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    code = services.registration_codes.issue(add_person(other, insured_number="756.9217.0769.85"), other)
    db.session.commit()
    rp = RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET)
    person.open(rp.request())
    assert "pas encore relié à Caisse FON" in person.text
    person.submit(code=code)
    person.submit(birth_date="27.3.1958")
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    assert rp.userinfo(tokens["access_token"]).get_json()["insured_number"] == "756.9217.0769.85"


def test_each_portal_sees_its_own_sub(web: Flask, rp: RelyingParty, person: Person, services: Services) -> None:
    other = add_portal("fon", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    link(services, other)
    subjects = []
    for one in (rp, RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET)):
        person.open(one.request())
        tokens = one.redeem(answer_of(person.address)["code"]).get_json()
        subjects.append(one.claims(tokens["id_token"])["sub"])
        assert one.userinfo(tokens["access_token"]).get_json()["sub"] == subjects[-1]
    assert len(set(subjects)) == 2


def test_scopes_that_were_not_registered_or_not_asked_for_give_nothing(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request(scope="openid email address unheard-of"))
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    assert tokens["scope"] == "openid email"
    assert "refresh_token" not in tokens
    assert set(rp.userinfo(tokens["access_token"]).get_json()) == {"sub", "email", "email_verified"}


def test_a_request_without_nonce_and_state_gets_neither_back(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request(nonce=None, state=None))
    answer = answer_of(person.address)
    assert set(answer) == {"code", "iss"}
    assert "nonce" not in rp.claims(rp.redeem(answer["code"]).get_json()["id_token"])


@pytest.mark.parametrize("state", ["x" * 2048, "ä ö/ü?&=#%00é漢字", " "])
def test_state_comes_back_as_it_was(rp: RelyingParty, person: Person, state: str) -> None:
    person.open(rp.request(state=state))
    assert answer_of(person.address)["state"] == state


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_the_id_token_is_signed_as_registered(
    web: Flask, rp: RelyingParty, portal: Portal, person: Person, alg: str
) -> None:
    db.session.get_one(Portal, portal.id).id_token_signed_response_alg = alg
    db.session.commit()
    person.open(rp.request())
    token = rp.redeem(answer_of(person.address)["code"]).get_json()["id_token"]
    assert header_of(token)["alg"] == alg
    assert rp.claims(token, alg)["aud"] == rp.client_id


def test_prompt_none_never_shows_a_page(web: Flask, rp: RelyingParty, person: Person) -> None:
    stranger = Person(web)
    stranger.open(rp.request(prompt="none", state="y" * 128))
    answer = answer_of(stranger.address)
    assert (answer["error"], answer["state"], answer["iss"]) == ("login_required", "y" * 128, ISSUER)
    assert set(answer) == {"error", "error_description", "state", "iss"}
    person.open(rp.request(prompt="none"))
    assert "code" in answer_of(person.address)


def test_prompt_login_and_max_age_ask_again_and_then_let_go(
    rp: RelyingParty, person: Person, clock: FrozenClock
) -> None:
    for parameters in ({"prompt": "login"}, {"max_age": "1"}):
        clock.advance(timedelta(minutes=3))
        person.open(rp.request(**parameters))
        clock.advance(timedelta(seconds=5))
        sign_in(person)
        signed_in_at = int(clock.now().timestamp())
        clock.advance(timedelta(seconds=5))
        tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
        assert rp.claims(tokens["id_token"])["auth_time"] == signed_in_at
    person.open(rp.request(max_age="10000"))
    assert "code" in answer_of(person.address)


def test_an_id_token_hint_for_somebody_else_asks_for_a_sign_in(
    web: Flask, rp: RelyingParty, portal: Portal, person: Person, services: Services, clock: FrozenClock
) -> None:
    person.open(rp.request())
    hint = rp.redeem(answer_of(person.address)["code"]).get_json()["id_token"]
    person.open(rp.request(prompt="none", id_token_hint=hint))
    assert "code" in answer_of(person.address)
    clock.advance(timedelta(minutes=5))
    other = register(web, services, portal, "paul@example.ch")
    other.open(rp.request(prompt="none", id_token_hint=hint))
    assert answer_of(other.address)["error"] == "login_required"
    clock.advance(timedelta(minutes=5))
    other.open(rp.request(id_token_hint=hint))
    sign_in(other, "paul@example.ch")
    assert answer_of(other.address)["error"] == "login_required"


def test_an_id_token_of_another_portal_is_no_hint(
    web: Flask, rp: RelyingParty, person: Person, services: Services
) -> None:
    other = add_portal("fon", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    link(services, other)
    second = RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET)
    person.open(second.request())
    hint = second.redeem(answer_of(person.address)["code"]).get_json()["id_token"]
    person.open(rp.request(prompt="none", id_token_hint=hint))
    answer = answer_of(person.address)
    assert (answer["error"], answer["error_description"]) == (
        "invalid_request", "id_token_hint was issued to another client",
    )  # fmt: skip


def test_a_post_to_the_authorization_endpoint_works_like_a_get(rp: RelyingParty, person: Person) -> None:
    parameters = answer_of(rp.request())
    response = person.client.post(
        "/authorize", data=parameters, base_url=ISSUER, headers={"Origin": "https://cpx.example.ch"}
    )
    assert response.status_code == 303
    person.open(response.headers["Location"])
    assert "code" in answer_of(person.address)


def test_unknown_parameters_and_hints_are_ignored(rp: RelyingParty, person: Person) -> None:
    person.open(
        rp.request(
            extra="foobar",
            login_hint="buffy@localhost",
            ui_locales="se",
            claims_locales="se",
            display="popup",
            acr_values="1 2",
            prompt="consent",
        )
    )
    assert "code" in answer_of(person.address)


def test_going_back_after_the_answer_leads_into_the_portal_and_gives_no_second_code(
    rp: RelyingParty, person: Person, clock: FrozenClock, services: Services
) -> None:
    clock.advance(timedelta(minutes=3))
    login = person.client.get(rp.request(prompt="login"), base_url=ISSUER).headers["Location"]
    handle = waiting_handle(services, login)
    person.open(login)
    sign_in(person)
    assert "code" in answer_of(person.address)
    person.open(f"/authorize/resume/{handle}")
    assert person.address == "https://cpx.example.ch/"


def test_a_waiting_request_belongs_to_its_browser(
    rp: RelyingParty, person: Person, web: Flask, services: Services
) -> None:
    handle = waiting_handle(services, Person(web).client.get(rp.request(), base_url=ISSUER).headers["Location"])
    person.open(f"/authorize/resume/{handle}")  # signed in, but the request was left by another browser
    assert person.page.status_code == 410


def test_refresh_rotates_and_keeps_auth_time(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    person.open(rp.request())
    first = rp.redeem(answer_of(person.address)["code"]).get_json()
    before = rp.claims(first["id_token"])
    clock.advance(timedelta(minutes=20))
    assert rp.userinfo(first["access_token"]).status_code == 401
    second = rp.refresh(first["refresh_token"], scope="openid email").get_json()
    after = rp.claims(second["id_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert {name: after[name] for name in ("iss", "sub", "aud", "auth_time", "sid")} == {
        name: before[name] for name in ("iss", "sub", "aud", "auth_time", "sid")
    }
    assert "nonce" not in after
    assert set(rp.userinfo(second["access_token"]).get_json()) == {"sub", "email", "email_verified"}
    wide = rp.refresh(second["refresh_token"], scope="openid email address").get_json()
    assert wide["error"] == "invalid_scope"
    third = rp.refresh(second["refresh_token"]).get_json()
    assert "insurance" in third["scope"]  # a narrower token does not narrow the grant


def test_a_reused_refresh_token_revokes_what_came_of_it(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request())
    first = rp.redeem(answer_of(person.address)["code"]).get_json()
    second = rp.refresh(first["refresh_token"]).get_json()
    replay = rp.refresh(first["refresh_token"])
    assert (replay.status_code, replay.get_json()["error"]) == (400, "invalid_grant")
    assert rp.refresh(second["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert rp.userinfo(second["access_token"]).status_code == 401


def test_a_code_used_twice_revokes_what_came_of_it(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request())
    code = answer_of(person.address)["code"]
    tokens = rp.redeem(code).get_json()
    replay = rp.redeem(code)
    assert (replay.status_code, replay.get_json()["error"]) == (400, "invalid_grant")
    answer = rp.userinfo(tokens["access_token"])
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="connect", error="invalid_token"'


def test_a_code_lives_a_minute(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    person.open(rp.request())
    code = answer_of(person.address)["code"]
    clock.advance(timedelta(seconds=61))
    assert rp.redeem(code).get_json()["error"] == "invalid_grant"
