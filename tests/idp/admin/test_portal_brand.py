"""Colour and logo in the console: seen before they are saved, and never such that something cannot be read."""

from __future__ import annotations

import io
import json

import pytest
from flask import Flask

from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.console import newest_event, said, stored
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person

BRAND = "/admin/portals/cpx/brand"
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 4"><rect width="8" height="4" fill="#a00" /></svg>'


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, "olga@fund.example.ch", ["portal_admin@cpx"])
    return sign_in(web, services, "olga@fund.example.ch")


def send(person: Person, logo: bytes = b"", **fields: str) -> None:
    person.open(BRAND)
    address, values = person.filled(1, **fields)
    person._arrive(
        person.client.post(
            address, data={**values, "logo_svg": (io.BytesIO(logo), "logo.svg")}, base_url=ISSUER,
            headers={"Origin": ISSUER},
        ),
        address,
    )  # fmt: skip


def test_a_preview_shows_both_modes_and_saves_nothing(olga: Person) -> None:
    send(olga, brand_color="#aa0000", do="preview")
    assert stored().brand_color == "#0B5C7A"
    assert "Aperçu de #AA0000" in olga.text
    style = olga.client.get("/admin/portals/cpx/preview.css?color=%23AA0000", base_url=ISSUER)
    assert style.content_type == "text/css; charset=utf-8"
    light, dark = style.get_data(as_text=True).split(".preview-dark")
    assert "--brand:#AA0000;--on-brand:#FFFFFF" in light
    assert "--brand:#AA0000" not in dark
    for wrong in ("red", "#AA0000}*{x:y", ""):
        answer = olga.client.get("/admin/portals/cpx/preview.css", query_string={"color": wrong}, base_url=ISSUER)
        assert answer.status_code == 404, wrong
    send(olga, brand_color="red", do="preview")
    assert olga.errors() == ["brand_color"]


def test_a_pale_colour_is_refused_with_its_ratio_and_the_nearest_good_one(olga: Person) -> None:
    send(olga, brand_color="#FFCC00")
    assert olga.errors() == ["brand_color"]
    assert "contraste 1.5, il faut 3" in said(olga)
    nearest = said(olga).split("qui suffit est ")[1][:7]
    assert stored().brand_color == "#0B5C7A"
    send(olga, brand_color=nearest)
    assert stored().brand_color == nearest
    send(olga, brand_color="#FFCC00", pale="yes")
    assert stored().brand_color == "#FFCC00"
    olga.open(BRAND)
    assert '<input type="checkbox" id="f-pale" name="pale" value="yes" checked' in olga.text


def test_a_logo_is_stored_shown_and_taken_away(web: Flask, olga: Person) -> None:
    send(olga, LOGO, brand_color="#AA0000", logo_alt="Depuis 1901")
    assert (stored().brand_color, stored().logo_alt) == ("#AA0000", "Depuis 1901")
    assert b'fill="#a00"' in (stored().logo_svg or "").encode()
    assert "<svg" not in json.dumps(newest_event().detail)
    person = Person(web)
    person.open("/cpx/login")
    assert 'alt="Depuis 1901"' in person.text
    send(olga, no_logo="yes")
    assert stored().logo_svg is None


@pytest.mark.parametrize("hostile", [LOGO.replace(b"/></svg>", b"/><script/></svg>"), b"\x89PNG\x00", LOGO * 200])
def test_a_hostile_logo_is_refused_with_the_reason_and_nothing_is_saved(olga: Person, hostile: bytes) -> None:
    send(olga, hostile, brand_color="#AA0000", logo_alt="x")
    assert olga.errors() == ["logo_svg"]
    assert 'value="#AA0000"' in olga.text
    assert (stored().brand_color, stored().logo_svg, stored().logo_alt) == ("#0B5C7A", None, None)
    assert '<code lang="en">' in olga.text
