"""Too much of anything is refused early and in words: long addresses, large forms, many fields (C-54, R-13)."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from flask import Flask

from idp.models.authorization import PushedRequest
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.texts import LANGUAGES, Texts
from idp.web.guard import LARGEST_BODY, LONGEST_QUERY
from tests.actions import sign_in
from tests.support.person import ISSUER, Person
from tests.support.portal_client import PortalClient
from tests.support.relying_party import RelyingParty, answer_of

TEXTS = Texts.load()
PAGES = ("/", "/help", "/cpx/login", "/cpx/register/email", "/authorize", "/logout", "/device", "/account", "/nowhere")
MACHINES = ("/userinfo", "/jwks", "/.well-known/openid-configuration")


def long(path: str, length: int) -> str:
    return f"{path}?{'q=' + 'x' * (length - 2)}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_person_with_too_long_an_address_is_told_so(web: Flask, portal: Portal, language: str) -> None:
    for path in PAGES:
        answer = web.test_client().get(
            long(path, LONGEST_QUERY + 1), base_url=ISSUER, headers={"Accept-Language": language}
        )
        page = answer.get_data(as_text=True)
        assert answer.status_code == 414, path
        assert f"<h1>{TEXTS.get(language, 'x.414.title')}</h1>" in page
        assert TEXTS.get(language, "x.414.text") in page
        assert len(page) < 10_000, "the address came back"
        assert "hreflang" not in page, "a link that would be too long itself"


def test_a_machine_is_told_so_in_json(web: Flask) -> None:
    for path in MACHINES:
        answer = web.test_client().get(long(path, LONGEST_QUERY + 1), base_url=ISSUER)
        assert (answer.status_code, answer.get_json()) == (414, {"error": "invalid_request"})


def test_the_longest_address_is_still_read(web: Flask, portal: Portal) -> None:
    for path in (*PAGES, *MACHINES):
        assert web.test_client().get(long(path, LONGEST_QUERY), base_url=ISSUER).status_code not in {414, 500}, path


def test_a_change_of_language_makes_no_long_address_longer(web: Flask) -> None:
    answer = web.test_client().get(long("/help", LONGEST_QUERY) + "&lang=de", base_url=ISSUER)
    assert answer.status_code == 414


def test_a_form_that_is_too_large_is_refused(web: Flask, portal: Portal) -> None:
    body = urlencode({"email": "x" * LARGEST_BODY})
    form = "application/x-www-form-urlencoded"
    for path in ("/cpx/login", "/logout/confirm", "/device", "/authorize", "/logout"):
        answer = web.test_client().post(path, data=body, content_type=form, base_url=ISSUER, headers={"Origin": ISSUER})
        assert (answer.status_code, answer.mimetype) == (413, "text/html"), path


def test_so_is_a_machine_s_in_json(web: Flask) -> None:
    body = urlencode({"client_id": "x" * LARGEST_BODY})
    form = "application/x-www-form-urlencoded"
    for path in ("/token", "/par", "/introspect", "/revoke", "/device_authorization", "/register"):
        answer = web.test_client().post(path, data=body, content_type=form, base_url=ISSUER)
        assert answer.status_code in {413, 401}, path
        assert answer.is_json, path


def test_ten_thousand_parameters_end_in_no_fault(web: Flask, portal: Portal) -> None:
    flood = "&".join(f"a{number}=" for number in range(4_000))
    for path in PAGES:
        assert web.test_client().get(f"{path}?{flood}", base_url=ISSUER).status_code < 500


def wishes(length: int) -> str:
    """A `claims` parameter of about this many characters, of which the portal may have the name."""
    return json.dumps({"userinfo": {"given_name": None}, "id_token": {}}).ljust(length)


def posted(rp: RelyingParty, person: Person, **changes: str) -> str:
    """Where a form that another site sends to the authorization endpoint leads; it carries no cookie of ours."""
    form = {**answer_of(rp.request()), **changes}
    headers = {"Origin": "https://cpx.example.ch", "Sec-Fetch-Site": "cross-site"}
    answer = person.client.application.test_client().post("/authorize", data=form, base_url=ISSUER, headers=headers)
    assert answer.status_code == 303
    return str(answer.headers["Location"])


@pytest.mark.parametrize("length", [10, 1_000, 4_000, 8_000])
def test_a_posted_request_never_becomes_a_long_address_and_is_answered(
    rp: RelyingParty, person: Person, length: int
) -> None:
    address = posted(rp, person, claims=wishes(length))
    assert len(address) < 2_100
    person.open(address)
    assert person.address.startswith(rp.redirect_uri)
    assert answer_of(person.address)["state"] == "s-1"
    assert rp.redeem(answer_of(person.address)["code"]).status_code == 200


def test_a_long_posted_request_waits_for_its_person_and_is_answered_once(
    web: Flask, rp: RelyingParty, person: Person
) -> None:
    address, stranger = posted(rp, person, claims=wishes(4_000), prompt="login"), Person(web)
    stranger.open(address)
    sign_in(stranger)
    assert answer_of(stranger.address)["state"] == "s-1"
    stranger.open(address)
    assert stranger.page.status_code == 400


def test_a_long_posted_request_is_checked_before_it_is_kept(rp: RelyingParty, person: Person) -> None:
    for given in ({"scope": "profile"}, {"state": "s" * 5_000}, {"unknown": "x" * 30_000, "prompt": "none login"}):
        assert "error" in answer_of(posted(rp, person, **{"claims": wishes(4_000), **given}))
    client = person.client.application.test_client()
    for wrong in ({"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}):
        form = {**answer_of(rp.request()), "claims": wishes(4_000), **wrong}
        assert client.post("/authorize", data=form, base_url=ISSUER).status_code == 400
    assert db.session.query(PushedRequest).count() == 0


def test_length_is_no_way_round_pushing(rp: RelyingParty, portal: Portal, person: Person) -> None:
    portal.require_par = True
    db.session.commit()
    assert answer_of(posted(rp, person, claims=wishes(4_000)))["error"] == "invalid_request"
    assert db.session.query(PushedRequest).count() == 0


def test_a_long_post_that_names_a_pushed_request_leads_to_that_request(
    web: Flask, rp: RelyingParty, portal: Portal, person: Person, services: Services
) -> None:
    """What stands beside it does not count (RFC 9126 §4), however much it is."""
    answer = PortalClient(web, services, portal).post("/par", answer_of(rp.request()))
    pushed = answer.get_json()["request_uri"]
    address = posted(rp, person, request_uri=pushed, claims=wishes(4_000), state="another")
    assert answer_of(address) == {"client_id": portal.client_id, "request_uri": pushed}
    person.open(address)
    assert answer_of(person.address)["state"] == "s-1"
    assert db.session.query(PushedRequest).count() == 1
