"""`connect portal`: what an operator registers is what is stored, and every mistake is told before anything is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select

from idp.cli.portal import add
from idp.cli.portal_help import HELP
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.portals import PortalDetails
from tests.idp.cli.conftest import CPX, Connect


def stored(slug: str = "cpx") -> Portal:
    db.session.rollback()
    found = db.session.scalar(select(Portal).where(Portal.slug == slug))
    assert found is not None
    return found


def test_a_portal_is_registered_and_its_secret_is_shown_once(connect: Connect, services: Services) -> None:
    said = connect("portal", "add", *CPX, "--scope", "openid", "--scope", "email", "--hours-fr", "8–17 h")
    portal = stored()
    words = dict(line.split(maxsplit=1) for line in said.splitlines()[:3])
    assert words["client_id"] == portal.client_id
    assert services.vault.mac("client-secret", words["client_secret"]) == portal.client_secret_hash
    assert (portal.names, portal.hours) == ({"fr": "Caisse X", "de": "Kasse X"}, {"fr": "8–17 h"})
    assert portal.scopes == ["openid", "email"]
    assert (portal.code_life_days, portal.letter_window, portal.sector_identifier) == (30, "right", "cpx.example.ch")
    shown = connect("portal", "show", "cpx")
    assert words["client_secret"] not in shown
    assert set(json.loads(shown)) == set(PortalDetails.model_fields)
    assert "cpx" in connect("portal", "list")
    (listed,) = json.loads(connect("portal", "list", "--json"))
    assert listed == {"slug": "cpx", "client_id": portal.client_id, "name": "Caisse X", "disabled": False}


def test_what_show_says_add_and_update_read(connect: Connect, tmp_path: Path) -> None:
    connect("portal", "add", *CPX)
    file = tmp_path / "portal.json"
    file.write_text(connect("portal", "show", "cpx"), encoding="utf-8")
    answer = json.loads(connect("portal", "add", "--from", file, "--slug", "cpy", "--json"))
    assert answer["client_secret"].startswith("cc_cs_")
    assert stored("cpy").names == stored().names
    connect("portal", "update", "cpx", "--from", file, "--place", "Thun")
    assert stored().place == "Thun"


def test_an_update_changes_what_is_said_and_nothing_else(connect: Connect) -> None:
    connect("portal", "add", *CPX)
    before = stored()
    secret, redirects = before.client_secret_hash, before.redirect_uris
    connect("portal", "update", "cpx", "--name-it", "Cassa X", "--code-life-days", "60", "--letter-window", "left")
    after = stored()
    assert after.names == {"fr": "Caisse X", "de": "Kasse X", "it": "Cassa X"}
    assert (after.code_life_days, after.letter_window) == (60, "left")
    assert (after.client_secret_hash, after.redirect_uris) == (secret, redirects)
    details = [event.detail for event in db.session.scalars(select(AuditEvent).order_by(AuditEvent.at))]
    assert [detail["action"] for detail in details] == ["add", "update"]


def test_a_new_secret_voids_the_old(connect: Connect, services: Services) -> None:
    connect("portal", "add", *CPX)
    old = stored().client_secret_hash
    fresh = connect("portal", "secret", "cpx").strip()
    assert services.vault.mac("client-secret", fresh) == stored().client_secret_hash != old


def test_the_old_secret_stays_good_beside_the_new_one_until_it_is_ended(connect: Connect, services: Services) -> None:
    connect("portal", "add", *CPX)
    old = stored().client_secret_hash
    fresh = connect("portal", "secret", "cpx", "--keep-old-days", "14").strip()
    assert (stored().previous_secret_hash, services.portal_secrets.is_right(stored(), fresh)) == (old, True)
    assert "end the older one first" in connect.refuses("portal", "secret", "cpx", "--keep-old-days", "14")
    connect("portal", "end-secret", "cpx")
    assert stored().previous_secret_hash is None
    assert services.portal_secrets.is_right(stored(), fresh)
    assert "no older secret" in connect.refuses("portal", "end-secret", "cpx")


def test_an_update_is_recorded_with_what_was_before_and_after(connect: Connect) -> None:
    connect("portal", "add", *CPX)
    connect("portal", "update", "cpx", "--place", "Thun")
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.at.desc())).first()
    assert event is not None
    assert (event.detail["fields"], event.detail["before"], event.detail["after"]) == (
        "place", '{"place": "Bern"}', '{"place": "Thun"}',
    )  # fmt: skip
    changed_at = stored().changed_at
    assert changed_at is not None
    assert stored().created_at < changed_at <= event.at


def test_a_portal_with_a_key_of_its_own_has_no_secret(connect: Connect, tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256")
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    said = connect("portal", "add", *CPX, "--token-endpoint-auth-method", "private_key_jwt", "--jwks", file)
    assert "secret" not in said
    assert "no secret" in connect.refuses("portal", "secret", "cpx")
    file.write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    assert "public keys only" in connect.refuses("portal", "update", "cpx", "--jwks", file)


def test_a_disabled_portal_is_closed_until_it_is_enabled(connect: Connect) -> None:
    connect("portal", "add", *CPX)
    connect("portal", "disable", "cpx")
    assert stored().is_disabled
    assert "(disabled)" in connect("portal", "list")
    connect("portal", "enable", "cpx")
    assert not stored().is_disabled


def test_every_mistake_is_told_at_once_and_nothing_is_stored(connect: Connect, tmp_path: Path) -> None:
    told = connect.refuses(
        "portal", "add", "--slug", "Token", "--name-de", "Kasse", "--short-name", "Ç" * 21, "--phone", "call us",
        "--email", "a@b", "--home-url", "http://cpx.example.ch/", "--redirect-uri", "https://cpx.example.ch/#x",
        "--factor", "fax", "--code-life-days", "7", "--letter-window", "top", "--brand-color", "red",
    )  # fmt: skip
    for field in ("slug", "short_name", "phone", "email", "home_url", "redirect_uris.0", "factors.0", "code_life_days"):
        assert f"\n{field}: " in f"\n{told}", field
    missing = connect.refuses("portal", "add", "--slug", "cpx")
    for field in ("names", "short_name", "phone", "email", "home_url"):
        assert f"{field}: Field required" in missing
    assert "redirect_uris: at least one is needed" in missing
    assert "French name" in connect.refuses("portal", "add", *CPX[:2], *CPX[4:])
    assert connect("portal", "list") == ""
    assert "connect portal add" in connect.noted


def test_bad_files_and_unknown_portals_end_in_words(connect: Connect, tmp_path: Path) -> None:
    connect("portal", "add", *CPX)
    file = tmp_path / "portal.json"
    for content, said in (
        ("", "is no JSON"), ("[1]", "is no JSON object"), ("[" * 100_000, "is no JSON"),
        ('{"colour": "red"}', "colour: "),
        ('{"names": "x"}', "names: "), ('{"slug": "other"}', "slug: "), ('{"redirect_uris": "x"}', "redirect_uris: "),
    ):  # fmt: skip
        file.write_text(content)
        assert said in connect.refuses("portal", "update", "cpx", "--from", file), content
        if "names" in content:
            assert said in connect.refuses("portal", "update", "cpx", "--from", file, "--name-fr", "X")
    file.write_bytes(b"\xff\xfe")
    assert "is no JSON" in connect.refuses("portal", "add", "--from", file)
    connect.refuses("portal", "add", "--from", tmp_path / "none.json", code=2)
    for words in (("show",), ("update", "--phone", "058 1234567"), ("secret",), ("disable",), ("enable",)):
        told = connect.refuses("portal", words[0], "nobody", *words[1:])
        assert told == "there is no portal 'nobody'; `connect portal list` shows them\n"
    assert "say what shall change" in connect.refuses("portal", "update", "cpx")
    assert "another portal" in connect.refuses("portal", "add", *CPX)


@pytest.mark.parametrize("field", PortalDetails.model_fields)
def test_every_field_of_a_portal_can_be_said_and_is_explained(field: str) -> None:
    options = {option for parameter in add.params for option in parameter.opts}
    names = {"names": "name-fr", "hours": "hours-fr"}
    option = f"--{names.get(field, field).replace('_', '-')}"
    assert option in options or option.removesuffix("s") in options
    assert field in {*HELP, "slug", "names", "jwks"}
