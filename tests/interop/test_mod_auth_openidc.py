"""mod_auth_openidc as the portal, with the configuration of docs/portals.md as it stands there."""

from __future__ import annotations

from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def portal(connect: Connect) -> Iterator[Portal]:
    port = five_free_ports()
    home = f"https://localhost:{port}"
    known = connect.add_portal_of_the_person(
        home_url=f"{home}/", redirect_uris=[f"{home}{CALLBACK}"], post_logout_redirect_uris=[f"{home}/bye"],
        backchannel_logout_uri=f"{home}{CALLBACK}?logout=backchannel",
    )  # fmt: skip
    with apache(connect, known, port, set_up("mod_auth_openidc", "apache", connect.issuer, home)) as served:
        yield Portal(connect, known, served)


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
