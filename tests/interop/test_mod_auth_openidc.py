"""mod_auth_openidc as the portal, with the configuration of docs/portals.md as it stands there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from flask import current_app

from idp.services.logout_delivery import LogoutCourier
from tests.interop.apache import apache
from tests.interop.conftest import EMAIL, Connect, Registered
from tests.interop.document import set_up
from tests.support.ports import five_free_ports
from tests.support.served import RemotePerson

pytestmark = pytest.mark.parametrize("connect", ["https"], indirect=True, scope="module")
CALLBACK, COOKIE = "/oidc/callback", "mod_auth_openidc_session"


@dataclass
class Portal:
    """A portal behind Apache, as a person's browser meets it."""

    connect: Connect
    known: Registered
    home: str

    def get(self, person: RemotePerson, path: str, **headers: str) -> requests.Response:
        return person.http.get(f"{self.home}{path}", headers=headers, allow_redirects=False, timeout=30)

    def ask(self, person: RemotePerson) -> None:
        """Let somebody come whom Apache does not know, and who is signed in at Connect or signs in now."""
        for cookie in [one for one in person.http.cookies if one.name == COOKIE]:
            person.http.cookies.clear(cookie.domain, cookie.path, cookie.name)
        person.open(f"{self.home}/file?page=2")
        if person.address.startswith(self.connect.issuer):
            self.connect.sign_in()
        assert person.address.startswith(f"{self.home}{CALLBACK}?"), person.text

    def enter(self, person: RemotePerson) -> dict[str, Any]:
        """What the application sees then."""
        self.ask(person)
        found: dict[str, Any] = person.http.get(person.address, timeout=30).json()
        return found


@contextmanager
def served(connect: Connect, changes: dict[str, str] | None = None, **details: str) -> Iterator[Portal]:
    """A portal with the documented configuration, of which words may be replaced."""
    port = five_free_ports()
    home = f"https://localhost:{port}"
    known = connect.add_portal_of_the_person(
        home_url=f"{home}/", redirect_uris=[f"{home}{CALLBACK}"], post_logout_redirect_uris=[f"{home}/bye"],
        backchannel_logout_uri=f"{home}{CALLBACK}?logout=backchannel", **details,
    )  # fmt: skip
    lines = set_up("mod_auth_openidc", "apache", connect.issuer, home)
    for before, after in (changes or {}).items():
        assert before in lines
        lines = lines.replace(before, after)
    with apache(connect, known, port, lines) as address:
        yield Portal(connect, known, address)


@pytest.fixture(scope="module")
def portal(connect: Connect) -> Iterator[Portal]:
    with served(connect) as made:
        yield made


def test_the_application_sees_who_came_and_how(connect: Connect, portal: Portal) -> None:
    seen = portal.enter(connect.person)
    claims = {name.removeprefix("OIDC_CLAIM_"): value for name, value in seen.items() if name.startswith("OIDC_CLAIM_")}
    assert seen["path"] == "/file?page=2"
    assert (claims["iss"], claims["aud"]) == (connect.issuer, portal.known.portal.client_id)
    assert (claims["email"], claims["email_verified"], claims["family_name"]) == (EMAIL, "1", "Müller")
    assert (claims["insured_number"], claims["external_id"], claims["acr"]) == ("756.1234.5678.97", "P-1", "mfa")
    again = portal.get(connect.person, "/file", OIDC_CLAIM_sub="somebody-else").json()
    assert again["OIDC_CLAIM_sub"] == claims["sub"]


def test_a_stranger_is_sent_to_connect(connect: Connect, portal: Portal) -> None:
    answer = portal.get(connect.new_browser(), "/file")
    asked = urlsplit(answer.headers["Location"])
    assert (answer.status_code, f"{asked.scheme}://{asked.netloc}{asked.path}") == (302, f"{connect.issuer}/authorize")
    assert {"state", "nonce", "code_challenge"} <= set(parse_qs(asked.query))


def test_who_signs_out_at_the_portal_is_signed_out_at_connect(connect: Connect, portal: Portal) -> None:
    person = connect.person
    portal.enter(person)
    person.open(f"{portal.home}{CALLBACK}?logout={quote(f'{portal.home}/bye', safe='')}")
    assert person.address == f"{portal.home}/bye"
    person.open(f"{portal.home}/file")
    assert "Connexion à" in person.title


def test_a_session_that_ends_at_connect_ends_at_the_portal(connect: Connect, portal: Portal) -> None:
    person = connect.person
    portal.enter(person)
    person.open(f"{connect.issuer}/logout")
    person.submit(extent="all")
    assert portal.get(person, "/file").status_code == 200  # nobody has told Apache yet
    courier = LogoutCourier(current_app._get_current_object())  # type: ignore[attr-defined]
    assert courier.run_once() >= 1
    assert portal.get(person, "/file").status_code == 302


def test_an_answer_in_another_browser_is_refused(connect: Connect, portal: Portal) -> None:
    person, stranger = connect.person, connect.new_browser()
    portal.ask(person)
    answer = stranger.http.get(person.address, allow_redirects=False, timeout=30)
    assert answer.status_code == 400
    assert person.http.get(person.address, timeout=30).json()["path"] == "/file?page=2"


def test_the_other_ways_of_the_module(connect: Connect) -> None:
    """The secret in the form, an ES256 signature, the access token in a form, a question of its own."""
    changes = {
        "client_secret_basic": "client_secret_post\nOIDCUserInfoTokenMethod post_param",
        "OIDCPKCEMethod": "OIDCIDTokenSignedResponseAlg ES256\nOIDCAuthRequestParams acr_values=mfa\nOIDCPKCEMethod",
    }
    details = {"token_endpoint_auth_method": "client_secret_post", "id_token_signed_response_alg": "ES256"}
    with served(connect, changes, **details) as other:
        seen = other.enter(connect.person)
        assert (seen["OIDC_CLAIM_email"], seen["OIDC_CLAIM_acr"]) == (EMAIL, "mfa")


def test_the_answer_may_come_as_a_form(connect: Connect) -> None:
    with served(connect, {"OIDCPKCEMethod": "OIDCResponseMode form_post\nOIDCPKCEMethod"}) as other:
        person = connect.person
        person.http.cookies.clear()
        person.open(f"{other.home}/file?page=2")
        connect.sign_in()
        address, fields = person.filled()
        assert address == f"{other.home}{CALLBACK}"
        assert person.http.post(address, data=fields, timeout=30).json()["OIDC_CLAIM_email"] == EMAIL
