"""O-03, O-22: whoever answers says who it is; the issuer is one constant string under any Host."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of


def test_success_and_error_carry_the_issuer_of_the_discovery_document(
    web: Flask, rp: RelyingParty, person: Person
) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["authorization_response_iss_parameter_supported"] is True
    errors: list[dict[str, str | None]] = [
        {"response_type": "token"}, {"response_type": None}, {"scope": "email"}, {"prompt": "none login"},
        {"max_age": "abc"}, {"request": "x.y.z"}, {"response_mode": "fragment"}, {"code_challenge": None},
        {"state": "x" * 5000}, {"prompt": "unheard-of"}, {"nonce": "n" * 600}, {"id_token_hint": "x.y.z"},
    ]  # fmt: skip
    for changes in errors:
        person.open(rp.request(**changes))
        answer = answer_of(person.address)
        assert set(answer) <= {"error", "error_description", "state", "iss"}, changes
        assert answer["iss"] == document["issuer"] == ISSUER, changes
        assert answer["error_description"].isascii()
        assert not set('"\\\r\n') & set(answer["error_description"])
    person.open(rp.request())
    assert answer_of(person.address)["iss"] == ISSUER


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost:8000.evil.example"},
        {"Host": "localhost"},
        {"Host": "localhost:8000@evil.example"},
    ],
)
def test_a_foreign_host_is_refused(web: Flask, headers: dict[str, str]) -> None:
    response = web.test_client().get("/.well-known/openid-configuration", headers=headers, base_url=ISSUER)
    assert response.status_code in {400, 421}
    assert b"evil" not in response.data


def test_forwarding_headers_of_nobody_we_trust_change_nothing(web: Flask, rp: RelyingParty, person: Person) -> None:
    spoofed = {
        "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "444",
        "X-Forwarded-Prefix": "/evil", "Forwarded": "host=evil.example;proto=https", "X-Original-Host": "evil.example",
        "X-Forwarded-Server": "evil.example", "X-Host": "evil.example", "X-Rewrite-Url": "/evil",
    }  # fmt: skip
    plain = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER)
    forged = web.test_client().get("/.well-known/openid-configuration", headers=spoofed, base_url=ISSUER)
    assert plain.data == forged.data
    response = person.client.get(rp.request(), headers=spoofed, base_url=ISSUER)
    assert response.headers["Location"].startswith(rp.redirect_uri + "?")
    assert answer_of(response.headers["Location"])["iss"] == ISSUER
