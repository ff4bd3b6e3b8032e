"""The self-test: a developer sees what the portal sent, what was wrong with it, and never a secret."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey
from werkzeug.datastructures import MultiDict

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.self_test import ObservedRequest
from idp.protocol import advice, observation, readiness
from idp.protocol.advice import Seen, advise
from idp.services.bundle import Services
from idp.services.housekeeping import clean
from idp.services.self_tests import MOST_REQUESTS, SelfTests
from tests.actions import sign_in
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of

KEY = ECKey.generate_key("P-256", {"kid": "k1"}, private=True)
CALLBACK = "https://cpx.example.ch/callback"


@pytest.fixture
def address(portal: Portal, services: Services) -> str:
    return f"/selftest/{services.self_tests.handle(portal)[0]}"


@pytest.fixture
def developer(web: Flask, address: str) -> Person:
    """The developer's browser, on the page, with the button pressed."""
    made = Person(web)
    made.open(address)
    made.submit()
    return made


def rows(portal: Portal, services: Services) -> list[dict[str, Any]]:
    db.session.rollback()
    return [{"endpoint": row.endpoint, **row.observation} for row in services.self_tests.requests(portal)]


def token(claims: dict[str, Any], **header: Any) -> str:
    return jws.serialize_compact({"alg": "ES256", **header}, json.dumps(claims).encode(), KEY, algorithms=["ES256"])


def test_the_address_opens_for_a_day_and_for_its_portal_alone(
    web: Flask, address: str, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    other = add_portal("fon")
    client = web.test_client()
    assert client.get(address, base_url=ISSUER).status_code == 200
    slug, second, signature = address.removeprefix("/selftest/").split(".")
    for wrong in (
        f"fon.{second}.{signature}", f"{slug}.{int(second) + 1}.{signature}", f"{slug}.{second}.{signature[:-1]}",
        f"{slug}.{second}.", f"{slug}.x.{signature}", f"{slug}.{'9' * 30}.{signature}", "x", "..", f"nobody.{second}.x",
        f"{slug}.{second}.\u00e9",
    ):  # fmt: skip
        assert client.get(f"/selftest/{wrong}", base_url=ISSUER).status_code == 404, wrong
    clock.advance(timedelta(hours=24))
    assert client.get(address, base_url=ISSUER).status_code == 404
    fresh = f"/selftest/{services.self_tests.handle(other)[0]}"
    assert client.get(fresh, base_url=ISSUER).status_code == 200
    other.disabled_at = clock.now()
    db.session.commit()
    assert client.get(fresh, base_url=ISSUER).status_code == 404


def test_looking_notes_nothing_and_the_button_does(
    web: Flask, rp: RelyingParty, address: str, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    developer = Person(web)
    developer.open(address)
    assert "Refresh" not in developer.page.headers
    developer.client.get(rp.request(), base_url=ISSUER)
    assert rows(portal, services) == []
    developer.submit()
    assert developer.page.headers["Refresh"] == "5"
    developer.client.get(rp.request(), base_url=ISSUER)
    assert len(rows(portal, services)) == 1
    clock.advance(timedelta(minutes=15))
    developer.client.get(rp.request(), base_url=ISSUER)
    assert len(rows(portal, services)) == 1
    developer.submit()
    assert rows(portal, services) == []
    foreign = developer.client.post(f"{address}/watch", base_url=ISSUER, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_a_whole_sign_in_is_shown_and_no_secret_with_it(
    web: Flask, rp: RelyingParty, person: Person, developer: Person, portal: Portal, services: Services, address: str
) -> None:
    hint_of = {"login_hint": "helene@example.ch", "ui_locales": "fr"}
    person.open(rp.request(**hint_of))
    code = answer_of(person.address)["code"]
    tokens = rp.redeem(code).get_json()
    rp.userinfo(tokens["access_token"])
    person.client.get(
        "/logout", base_url=ISSUER,
        query_string={"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://cpx.example.ch/bye"},
    )  # fmt: skip
    seen = rows(portal, services)
    assert sorted(one["endpoint"] for one in seen) == ["/authorize", "/logout", "/token", "/userinfo"]
    assert all(one["outcome"]["error"] == "" for one in seen)
    said = {one["endpoint"]: one["outcome"]["said"] for one in seen}
    assert said["/authorize"] == "answered with code, iss, state"
    assert said["/token"] == "answered with access_token, expires_in, id_token, refresh_token, scope, token_type"
    assert said["/userinfo"].startswith("answered with birthdate, email")
    assert said["/logout"] == "the person was sent to https://cpx.example.ch/bye"
    developer.open(address)
    stored = json.dumps(seen) + developer.text
    claims = rp.claims(tokens["id_token"])
    for secret in (
        code, tokens["access_token"], tokens["refresh_token"], tokens["id_token"], PORTAL_SECRET, "v" * 43,
        "helene", "M\u00fcller", claims["sub"], claims["sid"],
    ):  # fmt: skip
        assert secret not in stored
    assert "header {&#34;alg&#34;: &#34;RS256&#34;" in developer.text


def test_what_is_refused_is_explained(
    web: Flask, rp: RelyingParty, developer: Person, portal: Portal, services: Services, address: str
) -> None:
    client = web.test_client()
    client.get(rp.request(redirect_uri=f"{CALLBACK}/", code_challenge_method="plain"), base_url=ISSUER)
    client.get(rp.request(code_challenge=None, code_challenge_method=None), base_url=ISSUER)
    rp.redeem("cc_code_x")
    developer.open(address)
    assert "redirect_uri is not registered" in developer.text
    assert f"the registered {CALLBACK} goes on with the end after character 31, the one sent with /" in developer.text
    assert "Refused: refused on a page." in developer.text
    assert "Refused: invalid_request." in developer.text
    assert "code_challenge is required" in developer.text
    assert "Refused: invalid_grant." in developer.text


def test_a_sign_in_that_was_asked_for_and_came_back_is_shown_as_two(
    web: Flask, rp: RelyingParty, developer: Person, person: Person, portal: Portal, services: Services,
    clock: FrozenClock,
) -> None:  # fmt: skip
    clock.advance(timedelta(minutes=3))
    person.open(rp.request(prompt="login"))
    sign_in(person)
    seen = {one["endpoint"]: one["outcome"]["said"] for one in rows(portal, services)}
    assert seen == {
        "/authorize": "the person was led on to /cpx/login",
        "/authorize, when the person came back": "answered with code, iss, state",
    }


def test_only_the_watched_portals_requests_are_noted(
    web: Flask, rp: RelyingParty, developer: Person, portal: Portal, services: Services
) -> None:
    other = add_portal("fon", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    stranger = RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET)
    web.test_client().get(stranger.request(), base_url=ISSUER)
    stranger.redeem("cc_code_x")
    stranger.userinfo("cc_at_x")
    web.test_client().get("/jwks", base_url=ISSUER)
    web.test_client().get("/logout", base_url=ISSUER)
    web.test_client().get("/authorize/resume/unknown", base_url=ISSUER)
    assert db.session.scalars(db.select(ObservedRequest)).all() == []
    body = {"client_assertion": token({"iss": rp.client_id}), "client_assertion_type": "x"}
    for headers in ({}, {"Authorization": "Basic %%%"}):
        web.test_client().post("/token", data=body, headers=headers, base_url=ISSUER)
    web.test_client().post("/token", data={"client_assertion": "x"}, base_url=ISSUER)
    assert [one["outcome"]["error"] for one in rows(portal, services)] == ["invalid_request"]


def test_a_flood_is_noted_up_to_a_limit_and_goes_after_a_day(
    web: Flask, rp: RelyingParty, developer: Person, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    for _ in range(MOST_REQUESTS + 3):
        services.self_tests.note(portal.id, "/token", {})
    db.session.commit()
    assert len(services.self_tests.requests(portal)) == MOST_REQUESTS
    clock.advance(timedelta(hours=25))
    clean(clock.now())
    assert services.self_tests.requests(portal) == []


def test_another_process_learns_of_a_watch_within_two_seconds(
    web: Flask, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    elsewhere = SelfTests(clock, services.random, services.vault)
    assert elsewhere.watched().until == {}
    services.self_tests.watch(portal)
    db.session.commit()
    assert elsewhere.watched().until == {}
    clock.advance(timedelta(seconds=2))
    assert set(elsewhere.watched().until) == {portal.id}


def findings(portal: Portal, endpoint: str, clock: FrozenClock, form: Any = None, **more: Any) -> list[str]:
    query = MultiDict(more.pop("query", {}))
    seen = Seen(portal, endpoint, query, MultiDict(form or {}), issuer=ISSUER, now=clock.now(), **more)
    return [finding.what for finding in advise(seen)]


def test_advice_on_authorization_requests(portal: Portal, clock: FrozenClock) -> None:
    good = {
        "redirect_uri": CALLBACK, "scope": "openid email", "state": "s" * 16, "nonce": "n" * 16,
        "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip

    def ask(**changes: Any) -> list[str]:
        kept = {name: value for name, value in (good | changes).items() if value is not None}
        return findings(portal, "/authorize", clock, query=kept)

    assert ask() == []
    assert ask(redirect_uri="https://evil.example/") == ["redirect_uri is not registered"]
    assert ask(redirect_uri=None) == ["redirect_uri is missing"]
    assert ask(state=None, nonce="short") == ["state is missing", "nonce is short"]
    assert ask(code_challenge=None) == ["code_challenge is missing"]
    assert ask(code_challenge_method=None) == ["code_challenge_method is not S256"]
    assert ask(scope="email address") == ["scope does not hold openid", "not registered and left out: address"]
    assert ask(client_secret="x") == ["client_secret stands in the address"]
    assert findings(portal, "/authorize", clock, query=[*good.items(), ("state", "again")]) == [
        "state is sent more than once"
    ]
    assert ask(request_uri="urn:x", redirect_uri=None, scope=None, state=None, code_challenge=None) == []
    assert ask(request="x", redirect_uri=None, scope=None) == []
    assert ask(request_uri="https://evil.example/") == ["request_uri leads to the web"]
    portal.require_par, portal.require_pkce = True, False
    assert ask(code_challenge=None) == ["the request was not pushed", "code_challenge is missing"]
    assert advice.difference("x", []) == "none is registered"
    assert findings(portal, "/elsewhere", clock) == []


def test_advice_on_token_requests(portal: Portal, clock: FrozenClock) -> None:
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": "v"}
    assert findings(portal, "/token", clock, form, scheme="basic") == []
    assert findings(portal, "/token", clock, form, scheme="basic", query={"x": "1"}) == [
        "parameters stand in the address"
    ]
    assert findings(portal, "/token", clock, form) == ["the client did not authenticate"]
    assert findings(portal, "/token", clock, form | {"client_secret": "x"}) == ["the client used client_secret_post"]
    assert findings(portal, "/token", clock, form | {"client_secret": "x"}, scheme="basic") == [
        "two methods at once: client_secret_basic and client_secret_post"
    ]
    bare = {"grant_type": "authorization_code"}
    assert findings(portal, "/token", clock, bare, scheme="basic") == [
        "redirect_uri is not that of the request", "code_verifier is missing",
    ]  # fmt: skip
    assert findings(portal, "/token", clock, {"grant_type": "refresh_token"}, scheme="basic") == []
    assert findings(portal, "/token", clock, {"grant_type": "password"}, scheme="basic") == [
        "grant_type is missing or not registered"
    ]
    portal.dpop_bound_access_tokens, portal.token_endpoint_auth_method = True, "tls_client_auth"
    assert findings(portal, "/token", clock, form) == ["the DPoP header is missing"]
    assert findings(portal, "/token", clock, form, has_proof=True) == []
    assert findings(portal, "/userinfo", clock, scheme="bearer", query={"access_token": "x"}) == [
        "access_token stands in the address", "a bound token was sent as a bearer token", "the DPoP header is missing",
    ]  # fmt: skip
    assert findings(portal, "/userinfo", clock, scheme="dpop", has_proof=True) == []


def test_advice_on_client_assertions(portal: Portal, clock: FrozenClock) -> None:
    portal.token_endpoint_auth_method = "private_key_jwt"
    portal.jwks = {"keys": [KEY.as_dict(private=False)]}
    now = int(clock.now().timestamp())
    right = {"iss": portal.client_id, "sub": portal.client_id, "aud": ISSUER, "exp": now + 60, "jti": "j"}

    def judge(header: dict[str, Any] | None = None, **changes: Any) -> list[str]:
        claims = {name: value for name, value in (right | changes).items() if value is not None}
        return findings(portal, "/introspect", clock, {"client_assertion": token(claims, **(header or {}))})

    assert judge({"kid": "k1"}) == []
    assert judge() == []
    assert judge({"kid": "other"}) == ["kid of the assertion names no registered key"]
    assert judge(iss="x", sub=None) == [
        "iss of the assertion is not the client_id", "sub of the assertion is not the client_id",
    ]  # fmt: skip
    for audience in ([ISSUER], f"{ISSUER}/", f"{ISSUER}/token", None):
        assert judge(aud=audience) == ["aud of the assertion is not the issuer"]
    for expires in (None, "soon", True):
        assert judge(exp=expires) == ["exp of the assertion is missing or no number"]
    assert judge(exp=now) == ["the assertion has expired"]
    assert judge(exp=now + 7200) == ["the assertion lives too long"]
    assert judge(jti=None) == ["jti of the assertion is missing"]
    assert findings(portal, "/introspect", clock, {"client_assertion": "x"}) == ["client_assertion is no signed token"]
    portal.assertion_audience, portal.token_endpoint_auth_signing_alg = "token_endpoint", "RS256"
    assert judge(aud=f"{ISSUER}/token") == ["the assertion is signed with another algorithm"]


def test_advice_on_logout(portal: Portal, clock: FrozenClock) -> None:
    bye = {"post_logout_redirect_uri": "https://cpx.example.ch/bye", "id_token_hint": "x"}
    assert findings(portal, "/logout", clock, query=bye) == []
    assert findings(portal, "/logout", clock, query={"post_logout_redirect_uri": "https://cpx.example.ch/by"}) == [
        "post_logout_redirect_uri is not registered", "id_token_hint is missing",
    ]  # fmt: skip


def test_values_are_shown_described_or_counted() -> None:
    described = token({"iss": "i", "sub": "secret-sub", "email": "secret@example.ch"}, kid="k1", typ="JWT")
    shown = dict(
        observation.masked(
            [
                ("scope", "openid\x00\n"), ("state", "s" * 400), ("client_secret", "hush"), ("unknown", "hush"),
                ("request", described), ("token", "a.b.c"), ("x\x00", ""),
            ]
        )
    )  # fmt: skip
    assert shown == {
        "scope": "openid\u00b7\u00b7", "state": "s" * 300 + "\u2026", "client_secret": "(4 characters)",
        "unknown": "(4 characters)", "token": "(a token that cannot be read)", "x\u00b7": "(0 characters)",
        "request": 'header {"alg": "ES256", "typ": "JWT", "kid": "k1"}, claims {"iss": "i"}, and email, sub',
    }  # fmt: skip
    assert dict(observation.masked([("request", token({"iss": "i"}))])) == {
        "request": 'header {"alg": "ES256"}, claims {"iss": "i"}'
    }
    assert len(observation.masked([("x", "y")] * 100)) == 40


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((303, "/cpx/login?for=h", "", ""), ("the person was led on to /cpx/login", "")),
        ((303, f"{ISSUER}/cpx/login", "", ""), ("the person was led on to /cpx/login", "")),
        ((303, "https://rp.example/?code=c&iss=i", "", ""), ("answered with code, iss", "")),
        ((303, "https://rp.example/?error=e&error_description=d", "", ""), ("d", "e")),
        ((303, "https://rp.example/bye?state=x", "", ""), ("the person was sent to https://rp.example/bye", "")),
        ((303, "https://rp.example/?response=x", "", ""),
         ("answered with something that cannot be read", "unreadable")),
        ((303, f"https://rp.example/?response={token({'code': 'c'})}", "", ""), ("answered with code", "")),
        ((303, f"https://rp.example/?response={token({'error': 'e'})}", "", ""), ("", "e")),
        ((200, "", "text/html", '<input type="hidden" name="code" value="c"><input name="error">'),
         ("answered with code", "")),
        ((200, "", "text/html", '<input type="hidden" name="error" value="e">'), ("", "e")),
        ((200, "", "text/html", "<p>"), ("a page was shown to the person", "")),
        ((400, "", "text/html", "<p>"), ("a page was shown to the person", "refused on a page")),
        ((400, "", "application/json", '{"error":"e","error_description":"d"}'), ("d", "e")),
        ((201, "", "application/json", '{"request_uri":"u"}'), ("answered with request_uri", "")),
        ((200, "", "application/json", "["), ("answered", "")),
        ((500, "", "application/json", "[]"), ("answered", "refused")),
    ],
)  # fmt: skip
def test_every_form_of_answer_is_put_in_words(given: tuple[int, str, str, str], expected: tuple[str, str]) -> None:
    found = observation.outcome(*given, ISSUER)
    assert (found.said, found.error) == expected


def test_a_registration_is_judged_against_every_profile(portal: Portal) -> None:
    missing = {one.profile: [fault.split(":")[0] for fault in one.missing] for one in readiness.of_portal(portal)}
    assert len(missing) == 7
    assert missing["OpenID Connect, code flow (also by form_post)"] == []
    assert missing["RP-initiated logout"] == []
    assert missing["Back-channel logout"] == ["backchannel_logout_uri"]
    assert missing["Third-party initiated login"] == ["initiate_login_uri"]
    by_key = missing["FAPI 2.0 Security Profile, private_key_jwt and DPoP"]
    assert {"token_endpoint_auth_method", "security_profile", "require_par", "refresh_rotation"} <= set(by_key)
    portal.grant_types, portal.post_logout_redirect_uris = ["client_credentials"], []
    lacks = {one.profile: one.missing for one in readiness.of_portal(portal)}
    assert lacks["OpenID Connect, code flow (also by form_post)"] == ("grant_types: authorization_code is needed",)
    assert lacks["RP-initiated logout"]
    portal.security_profile, portal.require_par, portal.refresh_rotation = "fapi2", True, False
    portal.id_token_signed_response_alg, portal.backchannel_logout_uri = "PS256", "https://cpx.example.ch/out"
    portal.initiate_login_uri, portal.post_logout_redirect_uris = "https://cpx.example.ch/in", [CALLBACK]
    portal.grant_types = ["authorization_code"]
    portal.token_endpoint_auth_method, portal.jwks_uri = "private_key_jwt", "https://cpx.example.ch/jwks"
    portal.dpop_bound_access_tokens = True
    portal.require_signed_request_object, portal.authorization_signed_response_alg = True, "ES256"
    assert [one.profile for one in readiness.of_portal(portal) if one.missing] == [
        "FAPI 2.0 Security Profile, mutual TLS"
    ]
    portal.token_endpoint_auth_method, portal.tls_client_auth_san_dns = "tls_client_auth", "cpx.example.ch"
    portal.dpop_bound_access_tokens, portal.tls_client_certificate_bound_access_tokens = False, True
    assert [one.profile for one in readiness.of_portal(portal) if one.missing] == [
        "FAPI 2.0 Security Profile, private_key_jwt and DPoP"
    ]
