"""A portal's mistake where no address is proved: a page that names the portal and tells its developer, in words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

import idp.protocol
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty


def detail_of(person: Person) -> str:
    """What stands behind the disclosure for the developer."""
    found = re.search(r'<details><summary>.*?</summary><p lang="en">(.*?)</p></details>', person.text)
    assert found, person.text
    return found[1]


def test_a_known_portal_is_named_and_the_way_out_leads_home(web: Flask, rp: RelyingParty) -> None:
    stranger = Person(web)
    stranger.open(rp.request(redirect_uri="https://evil.example/<script>"))
    assert stranger.page.status_code == 400
    assert "Location" not in stranger.page.headers
    assert stranger.title == "La demande du portail n’est pas correcte"
    assert "Ce n’est pas votre faute" in stranger.text
    assert "Caisse CPX" in stranger.text.split("<main")[0]
    assert '<a class="button" href="https://cpx.example.ch/">Retourner au portail</a>' in stranger.text
    assert detail_of(stranger) == (
        "Caisse CPX (client_id client-cpx) sent a request that was refused with invalid_request: "
        "redirect_uri is not exactly one of the registered addresses."
    )
    assert "evil.example" not in stranger.text.split("<main")[1]
    assert re.search(r"Référence [0-9A-Z]{4}-[0-9A-Z]{4}", stranger.text)


def test_an_unknown_client_is_not_named_and_the_way_out_leads_to_the_choice(web: Flask, rp: RelyingParty) -> None:
    stranger = Person(web)
    for changes, words in (
        ({"client_id": "nobody"}, "invalid_client: client_id is not registered here"),
        ({"client_id": None}, "invalid_request: client_id is missing or repeated"),
    ):
        stranger.open(rp.request(**changes))
        assert stranger.page.status_code == 400
        assert words in detail_of(stranger)
        assert '<a class="button" href="/">' in stranger.text


def test_each_mistake_before_the_redirect_is_told_in_words(web: Flask, rp: RelyingParty) -> None:
    stranger = Person(web)
    for address, words in (
        (rp.request(redirect_uri=None), "redirect_uri is missing or repeated"),
        (f"{rp.request()}&redirect_uri=https://evil.example/", "redirect_uri is missing or repeated"),
        (f"/authorize?client_id={rp.client_id}&request_uri=urn:ietf:params:oauth:request_uri:x", "did not push"),
        (f"/authorize?client_id={rp.client_id}&request_uri=https://evil.example/", "one that this server issued"),
        (f"/authorize?client_id={rp.client_id}&request=x.y.z", "no registered keys"),
    ):
        stranger.open(address)
        assert stranger.page.status_code == 400
        assert words in detail_of(stranger), address


@pytest.mark.parametrize("path", sorted(Path(idp.protocol.__file__).parent.glob("*.py")))
def test_every_description_is_printable_ascii_without_quotes(path: Path) -> None:
    """OIDF: a quote, a backslash or an accent in error_description is a failure of its own."""
    said = re.findall(r'(?:ProtocolError\(\s*"[a-z_]+",|_refused\()\s*f?"([^"]*)"', path.read_text(encoding="utf-8"))
    for words in (re.sub(r"\{.*?\}", "", found) for found in said):  # what is filled in are names of ours
        assert re.fullmatch(r"[\x20-\x7e]+", words), words
        assert not set("\"\\'") & set(words), words


def test_the_document_never_promises_an_address_by_reference(web: Flask) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["request_uri_parameter_supported"] is False
