"""Whatever a registration request holds, the answer is 4xx in JSON and nothing is registered."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol.client_metadata import ClientMetadata
from idp.services.bundle import Services
from idp.services.invites import OPERATOR_FIELDS
from idp.services.portals import fields_of
from tests.protocol.test_registration import CALLBACK, DESCRIBED
from tests.support.person import ISSUER

pytestmark = pytest.mark.both_engines


@pytest.fixture
def token(services: Services, web: Flask) -> str:
    secret, _ = services.invites.invite(DESCRIBED, timedelta(days=14))
    db.session.commit()
    return secret


def send(web: Flask, token: str, body: bytes, kind: str = "application/json") -> TestResponse:
    headers = {"Authorization": f"Bearer {token}"}
    return web.test_client().post("/register", data=body, content_type=kind, headers=headers, base_url=ISSUER)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"[1]", b"[]", b"null", b"5", b'"x"', b"{", b"{}", b"NaN", b"\xff\xfe", b"\x00", b"{'a':1}",
        b"[" * 30_000, b'{"a":' * 10_000, b'{"a":' * 900 + b"1" + b"}" * 900, b"9" * 60_000, b"{}{}",
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"redirect_uris":["https://evil.example/"]}',
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"jwks":{"keys":[],"keys":[]}}',
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"default_max_age":NaN}',
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"default_max_age":Infinity}',
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"default_max_age":1e999}',
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"default_max_age":' + b"9" * 5000 + b"}",
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"x":"\\ud800"}',
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"x":"\\u0000"}',
        b'{"redirect_uris":["' + CALLBACK.encode() + b'"],"\\udfff":1}',
        b'{"redirect_uris":["' + CALLBACK.encode() + b'\\u0000"]}',
        b'{"redirect_uris":' + json.dumps([CALLBACK]).encode()[:-1] + b',"' + b"x" * 2001 + b'"]}',
    ],
)  # fmt: skip
def test_a_hostile_body_is_refused(web: Flask, token: str, body: bytes) -> None:
    response = send(web, token, body)
    assert (response.status_code, response.content_type) == (400, "application/json"), response.data[:200]
    assert response.get_json()["error"] in {"invalid_client_metadata", "invalid_redirect_uri"}
    assert db.session.scalars(db.select(Portal)).all() == []


def test_a_body_that_is_too_large_is_refused(web: Flask, token: str) -> None:
    response = send(web, token, b'{"x":"' + b"a" * 70_000 + b'"}')
    assert (response.status_code, response.content_type) == (413, "application/json")


def test_other_encodings_and_kinds_of_body_register_or_are_refused(web: Flask, token: str) -> None:
    body = json.dumps({"redirect_uris": [CALLBACK]})
    for raw, kind in (
        (body.encode("utf-7"), "application/json"), (body.encode("latin-1") + b"\xe9", "application/json"),
        (b"redirect_uris=x", "application/x-www-form-urlencoded"), (b"--b\r\n\r\n", "multipart/form-data; boundary=b"),
    ):  # fmt: skip
        assert 400 <= send(web, token, raw, kind).status_code < 500 or raw == body.encode("utf-7")


def test_parallel_registrations_with_one_invitation_make_one_portal(web: Flask, token: str) -> None:
    body, together = json.dumps({"redirect_uris": [CALLBACK]}).encode(), threading.Barrier(8)

    def register(_: int) -> int:
        together.wait()
        return send(web, token, body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(register, range(8))) == [201] + [401] * 7
    assert len(db.session.scalars(db.select(Portal)).all()) == 1


# Each would be a good value, were it the operator who says it.
WISHES: dict[str, Any] = {
    "slug": "evil", "names": {"fr": "Caisse Evil"}, "short_name": "Evil", "place": "Evil", "phone": "0900 123 456",
    "email": "aide@evil.example.ch", "hours": {"fr": "toujours"}, "brand_color": "#AA0000",
    "logo_svg": '<svg xmlns="http://www.w3.org/2000/svg"/>', "logo_alt": "Evil",
    "texts": {"fr": {"l.first": "Evil"}},
    "home_url": "https://evil.example.ch/", "code_life_days": 90, "second_item": "none", "factors": ["sms"],
    "letter_window": "left", "scopes": ["openid", "profile"], "security_profile": "fapi2", "require_pkce": False,
    "assertion_audience": "token_endpoint", "subject_type": "public", "access_token_format": "jwt",
    "resources": ["https://api.evil.example.ch"], "refresh_rotation": False, "allowed_acr": ["mfa"], "consent": True,
    "publisher": "Evil AG", "verified_claims": True, "trusted_devices": True,
}  # fmt: skip
ON_THE_WIRE = {
    "client_name": "Caisse Evil", "client_name#fr": "Caisse Evil", "client_uri": "https://evil.example.ch/",
    "logo_uri": "https://evil.example.ch/logo.svg", "contacts": ["aide@evil.example.ch"],
    "scope": "openid email insurance offline_access profile phone", "sector_identifier": "evil.example.ch",
}  # fmt: skip
OUR_OWN = {
    "id": "x", "client_id_issued_at": 0, "created_at": 0, "disabled_at": None, "client_secret": "s" * 40,
    "client_secret_hash": "h", "registration_token_hash": "h", "is_disabled": False,
}  # fmt: skip


def test_no_field_of_the_operators_is_a_developers_to_set(web: Flask, token: str) -> None:
    """Least of all home_url, where the person is sent; neither at the registration nor in a change of it."""
    assert set(WISHES) == set(OPERATOR_FIELDS)
    said = {"redirect_uris": [CALLBACK]} | WISHES | ON_THE_WIRE | OUR_OWN
    made = send(web, token, json.dumps(said).encode())
    assert made.status_code == 201, made.data
    portal = db.session.scalars(db.select(Portal)).one()
    decided = fields_of(portal)
    assert decided["home_url"] == DESCRIBED["home_url"]
    assert {name: decided[name] for name in DESCRIBED} == {"short_name": "Fondation F", **DESCRIBED}
    assert {name for name in OPERATOR_FIELDS if decided[name] == WISHES[name]} == set()
    assert portal.sector_identifier == "fon.example.ch"
    assert not portal.is_disabled
    assert "evil" not in made.get_data(as_text=True).lower()
    answered = made.get_json()
    kept = {name: value for name, value in said.items() if name not in {"client_id_issued_at", "client_secret"}}
    changed = web.test_client().put(
        answered["registration_client_uri"], json={**kept, "client_id": answered["client_id"]},
        headers={"Authorization": f"Bearer {answered['registration_access_token']}"}, base_url=ISSUER,
    )  # fmt: skip
    assert changed.status_code == 200, changed.data
    db.session.expire_all()
    after = fields_of(db.session.scalars(db.select(Portal)).one())
    assert {name: after[name] for name in OPERATOR_FIELDS} == {name: decided[name] for name in OPERATOR_FIELDS}
    assert "evil" not in changed.get_data(as_text=True).lower()


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(CALLBACK)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
NAMES = sorted({field.alias or name for name, field in ClientMetadata.model_fields.items()})


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from([*NAMES, "client_id", "x"]), ANYTHING, max_size=6))
def test_no_combination_of_values_makes_it_stumble(web: Flask, token: str, body: dict[str, Any]) -> None:
    response = send(web, token, json.dumps(body).encode())
    assert response.status_code in {201, 400, 401}, (body, response.data[:200])
    assert response.content_type == "application/json"
