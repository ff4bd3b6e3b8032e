"""The device grant (RFC 8628): a device shows a code, its person answers in a browser, the device polls."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.authorization import Consent, DeviceAuthorization, Grant
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.devices import ALPHABET, Devices, generate, normalise, problem, show
from tests.actions import register
from tests.actions import sign_in as sign_in_at
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.portal_client import DEVICE, PortalClient, change, client, sign_in
from tests.support.relying_party import RelyingParty

GRANTS = ["authorization_code", "refresh_token", DEVICE]


@pytest.fixture
def tv(web: Flask, services: Services) -> PortalClient:
    return client(web, services, "tv", grant_types=GRANTS)


@pytest.fixture
def owner(web: Flask, services: Services, tv: PortalClient) -> Person:
    """Somebody signed in who is linked to the portal of the device."""
    _, secret = sign_in(services, tv.portal)
    person = Person(web)
    person.client.set_cookie("connect_session", secret, domain="localhost")
    return person


def begin(tv: PortalClient, scope: str = "openid email offline_access") -> dict[str, Any]:
    response = tv.post("/device_authorization", {"scope": scope})
    assert response.status_code == 200, response.get_json()
    body: dict[str, Any] = response.get_json()
    return body


def poll(tv: PortalClient, begun: dict[str, Any], **more: Any) -> tuple[int, dict[str, Any]]:
    response = tv.post("/token", {"grant_type": DEVICE, "device_code": begun["device_code"], **more})
    return response.status_code, response.get_json()


def answer(person: Person, user_code: str, choice: str) -> None:
    person.open("/device")
    person.submit(user_code=user_code)
    assert person.title == "Autoriser cet appareil\u00a0?"
    person.submit(answer=choice)


def test_the_device_gets_its_codes(tv: PortalClient) -> None:
    begun = begin(tv)
    page = f"{ISSUER}/device"
    assert begun["verification_uri"] == page
    assert begun["verification_uri_complete"] == f"{page}?user_code={begun['user_code']}"
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    assert problem(normalise(begun["user_code"])) is None
    assert begun["user_code"][4] == "-"
    row = db.session.scalars(select(DeviceAuthorization)).one()
    assert normalise(begun["user_code"]) not in str(vars(row))
    assert begun["device_code"] not in str(vars(row))


def test_what_the_person_allows_the_device_gets_once(tv: PortalClient, owner: Person, clock: FrozenClock) -> None:
    begun = begin(tv)
    assert poll(tv, begun)[1]["error"] == "authorization_pending"
    answer(owner, begun["user_code"], "allow")
    assert owner.title == "L’appareil est associé"
    clock.advance(timedelta(seconds=5))
    status, tokens = poll(tv, begun)
    assert status == 200
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "id_token", "refresh_token"}
    claims = RelyingParty(tv.web, tv.portal.client_id, "").claims(tokens["id_token"])
    assert (claims["acr"], claims["aud"]) == ("mfa", tv.portal.client_id)
    assert tv.userinfo(tokens["access_token"]).get_json()["email"] == "helene@example.ch"
    assert poll(tv, begun) == (
        400, {"error": "invalid_grant", "error_description": "it was used before; what it gave is revoked"},
    )  # fmt: skip
    assert tv.userinfo(tokens["access_token"]).status_code == 401
    assert tv.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    tags = set(db.session.scalars(select(AuditEvent.tag)))
    assert {"person:device:allow", "portal:authorization_code:replay"} <= tags


def test_what_the_person_refuses_the_device_is_told(tv: PortalClient, owner: Person) -> None:
    begun = begin(tv)
    answer(owner, begun["user_code"], "deny")
    assert owner.title == "L’appareil n’a reçu aucun accès"
    for _ in range(2):
        assert poll(tv, begun)[1]["error"] == "access_denied"
    assert db.session.scalar(select(func.count()).select_from(Grant)) == 0


def test_who_polls_too_often_is_slowed_down(tv: PortalClient, clock: FrozenClock) -> None:
    begun = begin(tv)

    def after(seconds: int) -> str:
        clock.advance(timedelta(seconds=seconds))
        return str(poll(tv, begun)[1]["error"])

    assert after(0) == "authorization_pending"
    assert after(4) == "slow_down"  # now every ten seconds
    assert after(9) == "slow_down"  # now every fifteen
    assert after(14) == "slow_down"
    assert after(20) == "authorization_pending"
    for _ in range(20):
        after(1)
    assert after(60) == "authorization_pending"  # never slower than once a minute


def test_a_code_ends_after_ten_minutes(tv: PortalClient, owner: Person, clock: FrozenClock) -> None:
    begun, late = begin(tv), begin(tv)
    answer(owner, late["user_code"], "allow")
    clock.advance(timedelta(minutes=10))
    assert poll(tv, begun)[1]["error"] == "expired_token"
    assert poll(tv, late)[1]["error"] == "expired_token"  # allowed, but never fetched
    owner.open("/device")
    owner.submit(user_code=begun["user_code"])
    assert owner.errors() == ["user_code"]


def test_another_client_or_another_code_gets_nothing(tv: PortalClient, owner: Person, services: Services) -> None:
    begun = begin(tv)
    answer(owner, begun["user_code"], "allow")
    thief = client(tv.web, services, "thief", grant_types=GRANTS)
    for wrong in (begun["device_code"], "cc_dc_" + "A" * 43, begun["user_code"], "é"):
        response = thief.post("/token", {"grant_type": DEVICE, "device_code": wrong})
        assert (response.status_code, response.get_json()["error"]) == (400, "invalid_grant")
    assert thief.post("/token", {"grant_type": DEVICE}).get_json()["error"] == "invalid_request"
    assert poll(tv, begun)[0] == 200


def test_a_wish_for_a_resource_does_not_cost_the_device_its_code(tv: PortalClient, owner: Person) -> None:
    begun = begin(tv)
    answer(owner, begun["user_code"], "allow")
    assert poll(tv, begun, resource="https://api.example.ch")[1]["error"] == "invalid_target"
    assert poll(tv, begun, resource=ISSUER)[0] == 200


def test_a_portal_must_have_registered_the_grant_and_ask_for_openid(tv: PortalClient) -> None:
    assert tv.post("/device_authorization", {"scope": "email"}).get_json()["error"] == "invalid_scope"
    assert tv.post("/device_authorization", {"scope": ""}).get_json()["error"] == "invalid_scope"
    begun = begin(tv, "openid unheard-of email openid")
    assert db.session.scalars(select(DeviceAuthorization)).one().scope == "openid email"
    change(tv.portal, grant_types=["authorization_code"])
    refused = tv.post("/device_authorization", {"scope": "openid"})
    assert (refused.status_code, refused.get_json()["error"]) == (400, "unauthorized_client")
    assert poll(tv, begun)[1]["error"] == "unauthorized_client"


def test_the_person_sees_who_asks_and_for_what(tv: PortalClient, owner: Person) -> None:
    begun = begin(tv, "openid email profile phone insurance offline_access")
    owner.open(f"/device?user_code={begun['user_code']}")
    assert f'value="{begun["user_code"]}"' in owner.text  # filled in, and nothing more: a GET decides nothing
    assert db.session.scalars(select(DeviceAuthorization)).one().grant_id is None
    owner.submit()
    for words in ("Caisse TV", begun["user_code"], "Adresse e-mail", "Nom et date de naissance", "Numéro de mobile"):
        assert words in owner.text, words
    assert "refusez" in owner.text
    owner.open("/device")
    owner.submit(user_code=f" {begun['user_code'].lower().replace('-', '')} ")  # as people type
    assert owner.title == "Autoriser cet appareil\u00a0?"


@pytest.fixture
def app_tv(tv: PortalClient) -> PortalClient:
    """A device whose portal belongs to somebody else than the fund."""
    change(tv.portal, consent=True, publisher="Muster AG", policy_uri="https://tv.example.ch/privacy")
    return tv


def test_at_a_third_partys_portal_the_person_chooses_what_the_device_gets(
    app_tv: PortalClient, owner: Person, clock: FrozenClock
) -> None:
    begun = begin(app_tv, "openid email phone offline_access")
    owner.open("/device")
    owner.submit(user_code=begun["user_code"])
    for words in (
        "Éditeur\u00a0: Muster AG",
        "helene@example.ch",
        "https://tv.example.ch/privacy",
        "dans votre compte",
    ):
        assert words in owner.text, words
    assert begun["user_code"] in owner.text
    address, fields = owner.filled(answer="allow")
    assert {"scope.email", "scope.phone", "scope.offline_access"} <= set(fields)
    left = {name: value for name, value in fields.items() if name not in {"scope.phone", "scope.offline_access"}}
    owner._arrive(*owner.post((address, left)))
    assert owner.title == "L’appareil est associé"
    status, tokens = poll(app_tv, begun)
    assert (status, tokens["scope"]) == (200, "openid email")
    assert "refresh_token" not in tokens
    assert "phone_number" not in app_tv.userinfo(tokens["access_token"]).get_json()
    kept = db.session.scalars(select(Consent)).one()
    assert (kept.scopes, kept.declined) == (["email", "openid"], ["scope.offline_access", "scope.phone"])
    assert "person:consent:give" in set(db.session.scalars(select(AuditEvent.tag)))


def in_language(person: Person, code: str) -> str:
    """The link of the page to itself in another language."""
    found = re.search(rf'href="([^"]*lang={code})"', person.text)
    assert found
    return html.unescape(found[1])


def test_another_language_keeps_the_code(tv: PortalClient, owner: Person) -> None:
    begun = begin(tv)
    owner.open("/device")
    owner.submit(user_code="WDJB-MJHX")
    owner.open(in_language(owner, "de"))
    assert 'value="WDJB-MJHX"' in owner.text
    assert "Ein Buchstabe stimmt nicht" in owner.text
    owner.submit(user_code=begun["user_code"])
    owner.open(in_language(owner, "fr"))
    assert owner.title == "Autoriser cet appareil\u00a0?"
    assert begun["user_code"] in owner.text


def test_a_reload_asks_again_and_another_session_is_asked_nothing(
    services: Services, tv: PortalClient, owner: Person
) -> None:
    owner.open("/device")
    owner.submit(user_code=begin(tv)["user_code"])
    asked = owner.address
    owner.open(asked)
    assert owner.title == "Autoriser cet appareil\u00a0?"
    owner.open(asked[:-3])  # not what was sealed
    assert owner.title == "Associer un appareil"
    owner.client.delete_cookie("connect_session", domain="localhost")
    assert owner.client.get(asked, base_url=ISSUER).headers["Location"] == "/device"
    _, secret = sign_in(services, tv.portal)
    owner.client.set_cookie("connect_session", secret, domain="localhost")
    owner.open(asked)
    assert owner.title == "Associer un appareil"


def test_what_was_allowed_before_is_named_and_the_device_asks_all_the_same(
    app_tv: PortalClient, owner: Person, clock: FrozenClock
) -> None:
    answer(owner, begin(app_tv, "openid email")["user_code"], "allow")
    clock.advance(timedelta(minutes=1))
    begun = begin(app_tv, "openid email")
    owner.open("/device")
    owner.submit(user_code=begun["user_code"])
    assert "Déjà autorisé" in owner.text
    assert "scope.email" not in owner.filled()[1]
    assert poll(app_tv, begun)[1]["error"] == "authorization_pending"
    owner.submit(answer="allow")
    assert poll(app_tv, begun)[1]["scope"] == "openid email"
    tags = list(db.session.scalars(select(AuditEvent.tag)))
    assert (tags.count("person:consent:give"), tags.count("person:device:allow")) == (1, 2)


def test_a_refusal_at_a_third_partys_portal_keeps_nothing(app_tv: PortalClient, owner: Person) -> None:
    begun = begin(app_tv)
    answer(owner, begun["user_code"], "deny")
    assert poll(app_tv, begun)[1]["error"] == "access_denied"
    assert db.session.scalars(select(Consent)).all() == []


def test_who_signed_in_meanwhile_allows_nothing_unseen(app_tv: PortalClient, owner: Person) -> None:
    begun = begin(app_tv)
    owner.open("/device")
    owner.submit(user_code=begun["user_code"])
    owner.submit(answer="allow", subject="of-somebody-else")
    assert owner.title == "Associer un appareil"
    assert poll(app_tv, begun)[1]["error"] == "authorization_pending"
    assert db.session.scalars(select(Consent)).all() == []


def test_a_second_click_sees_what_the_first_one_reached(tv: PortalClient, owner: Person) -> None:
    begun = begin(tv)
    owner.open("/device")
    owner.submit(user_code=begun["user_code"])
    twice = owner.filled(answer="allow")
    for _ in range(2):
        response, _ = owner.post(twice)
        assert (response.status_code, response.headers["Location"]) == (303, "/device/done?answer=allow")
    assert db.session.scalar(select(func.count()).select_from(Grant)) == 1


def test_a_wrong_code_is_told_from_a_typing_error_and_guesses_are_limited(
    tv: PortalClient, owner: Person, services: Services, clock: FrozenClock
) -> None:
    begun = begin(tv)
    right = normalise(begun["user_code"])
    typo = right[:-1] + next(letter for letter in ALPHABET if letter != right[-1])
    owner.open("/device")
    for _ in range(20):  # a typing error costs nothing
        owner.submit(user_code=typo)
        assert "Une lettre n’est pas juste" in owner.text
    owner.submit(user_code="")
    assert "Saisissez le code" in owner.text
    wrong = [code for code in (generate(services.random) for _ in range(6)) if code != right]
    for code in wrong[:5]:
        owner.submit(user_code=code)
        assert "n’est pas valable" in owner.text
    owner.submit(user_code=right)
    assert "Trop d’essais" in owner.text
    fields = owner.filled(user_code=right, answer="allow")
    owner._arrive(*owner.post((f"{ISSUER}/device/answer", fields[1])))
    assert "L’appareil est associé" not in owner.text  # the second form is no way round the limit
    clock.advance(timedelta(minutes=15, seconds=1))
    # The device gave up meanwhile; a fresh one is found at once, and a right code forgives the wrong ones.
    owner._arrive(*owner.post((f"{ISSUER}/device", {**fields[1], "user_code": begin(tv)["user_code"]})))
    assert owner.title == "Autoriser cet appareil\u00a0?"


def test_an_account_that_does_not_open_the_portal_opens_it_for_no_device(
    tv: PortalClient, owner: Person, services: Services
) -> None:
    other = client(tv.web, services, "other", grant_types=GRANTS)
    begun = begin(other)
    owner.open("/device")
    owner.submit(user_code=begun["user_code"])
    assert "Votre compte n’ouvre pas Caisse OTHER" in owner.text
    change(tv.portal, allowed_acr=["phr"])
    owner.submit(user_code=begin(tv)["user_code"])
    assert "Votre compte n’ouvre pas Caisse TV" in owner.text


def test_a_disabled_portal_asks_nobody(tv: PortalClient, owner: Person, services: Services) -> None:
    begun = begin(tv)
    change(tv.portal, disabled_at=services.clock.now())
    owner.open("/device")
    owner.submit(user_code=begun["user_code"])
    assert owner.errors() == ["user_code"]


def test_a_device_answered_meanwhile_is_not_answered_again(
    tv: PortalClient, owner: Person, services: Services, web: Flask
) -> None:
    begun = begin(tv)
    code = normalise(begun["user_code"])
    waiting = services.devices.find_waiting(code)
    assert waiting is not None
    owner.open("/device")
    owner.submit(user_code=code)
    assert services.devices.deny(waiting)
    db.session.commit()
    owner.submit(answer="allow")
    assert owner.errors() == ["user_code"]
    assert not services.devices.deny(waiting)
    assert db.session.scalar(select(func.count()).select_from(Grant)) == 0


def test_a_stranger_signs_in_first_and_keeps_the_code(web: Flask, services: Services, portal: Portal) -> None:
    tv = client(web, services, "tv", grant_types=GRANTS)
    change(portal, grant_types=GRANTS)
    own = PortalClient(web, services, portal)
    person = register(web, services, portal)
    person.open("/logout")
    person.submit(extent="all")
    begun = begin(own)
    person.open(f"/device?user_code={begun['user_code']}")
    assert person.title == "Choisissez votre portail" or "portail" in person.title
    person.open(f"/{portal.slug}/login?then=device&user_code={begun['user_code']}")
    services.clock.advance(timedelta(minutes=2))  # type: ignore[attr-defined]
    sign_in_at(person)
    assert person.title == "Associer un appareil"
    assert f'value="{begun["user_code"]}"' in person.text
    person.submit()
    person.submit(answer="allow")
    assert person.title == "L’appareil est associé"
    assert poll(own, begun)[0] == 200
    assert tv.portal.slug == "tv"


def test_without_a_session_nothing_is_answered(web: Flask, tv: PortalClient, owner: Person) -> None:
    begun = begin(tv)
    owner.open("/device")
    owner.submit(user_code=begun["user_code"])
    allow = owner.filled(answer="allow")
    owner.client.delete_cookie("connect_session", domain="localhost")
    for address in (f"{ISSUER}/device", f"{ISSUER}/device/answer"):
        response, _ = owner.post((address, allow[1]))
        assert response.status_code == 303
        assert response.headers["Location"].startswith("/?then=device&user_code=")
    stranger = Person(web)
    assert stranger.client.get("/device", base_url=ISSUER).headers["Location"] == "/?then=device"
    forged = owner.client.post("/device/answer", data=allow[1], base_url=ISSUER, headers={"Origin": "https://e.ch"})
    assert forged.status_code == 403
    assert poll(tv, begun)[1]["error"] == "authorization_pending"


def test_the_way_to_the_sign_in_keeps_only_what_is_known(web: Flask, services: Services) -> None:
    add_portal("one")
    add_portal("two")
    browser = web.test_client()
    page = browser.get("/?then=device&user_code=WDJB-MJHT", base_url=ISSUER).get_data(as_text=True)
    assert 'href="/one/login?then=device&amp;user_code=WDJB-MJHT"' in page
    assert 'href="/one/login?then=account"' in browser.get("/?then=account", base_url=ISSUER).get_data(as_text=True)
    elsewhere = browser.get("/?then=//evil.example&user_code=x", base_url=ISSUER).get_data(as_text=True)
    assert 'href="/one/login"' in elsewhere


def test_no_code_shown_by_chance_is_given_twice(services: Services, tv: PortalClient) -> None:
    class Stuck:
        def bytes(self, count: int) -> bytes:
            return b"\x00" * count

    stuck = Devices(services.settings, services.clock, Stuck(), services.vault, services.tokens)
    stuck.begin(tv.portal, "openid")
    with pytest.raises(LookupError):
        stuck.begin(tv.portal, "openid")


def test_codes_are_shown_in_two_groups_and_read_in_any_form() -> None:
    assert show("WDJBMJHT") == "WDJB-MJHT"
    assert normalise(" wdjb–mjht\n") == "WDJBMJHT"
