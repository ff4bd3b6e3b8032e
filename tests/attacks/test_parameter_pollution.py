"""C-37, C-54: a parameter that stands twice is refused whole, and floods of parameters are cheap to refuse."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import pytest
from flask import Flask

from idp.protocol.authorize_checks import STAND_ONCE
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.signing_party import push

ONCE = sorted(STAND_ONCE)


@pytest.mark.parametrize("name", ONCE)
def test_each_parameter_stands_once(rp: RelyingParty, person: Person, name: str) -> None:
    parameters = answer_of(rp.request(prompt="login", max_age="5", claims="{}", display="page"))
    value = parameters.get(name, "x")
    for first, second in ((value, value), (value, "evil"), ("evil", value)):
        pairs = [*((key, given) for key, given in parameters.items() if key != name), (name, first), (name, second)]
        response = person.client.get(f"/authorize?{urlencode(pairs)}", base_url=ISSUER)
        if name in {"client_id", "redirect_uri"}:
            assert (response.status_code, "Location" in response.headers) == (400, False)
        else:
            answer = answer_of(response.headers["Location"])
            assert answer["error"] == "invalid_request", (name, first, second)
            assert answer.get("state") == (None if name == "state" else "s-1")
        assert response.headers.get("Location", rp.redirect_uri).startswith(rp.redirect_uri)


def test_a_post_counts_its_form_alone(rp: RelyingParty, person: Person) -> None:
    form = answer_of(rp.request())
    response = person.client.post(
        "/authorize?redirect_uri=https://evil.example/&state=evil", data=form, base_url=ISSUER
    )
    person.open(response.headers["Location"])
    assert answer_of(person.address)["state"] == "s-1"
    twice = person.client.post(
        "/authorize",
        data=f"{urlencode(form)}&state=evil",
        base_url=ISSUER,
        content_type="application/x-www-form-urlencoded",
    )
    person.open(twice.headers["Location"])
    assert answer_of(person.address)["error"] == "invalid_request"


def test_floods_are_refused_in_a_tenth_of_a_second(web: Flask, rp: RelyingParty, person: Person) -> None:
    floods: list[dict[str, str]] = [
        {"scope": "openid " + " ".join(f"s{n}" for n in range(10_000))}, {"scope": "openid " * 9000},
        {"prompt": "login " * 5000}, {"acr_values": "x " * 9000}, {"state": "x" * 60_000}, {"nonce": "n" * 60_000},
        {"claims": '{"userinfo":{' + ",".join(f'"c{n}":null' for n in range(4000)) + "}}"}, {"claims": "[" * 60_000},
        {"ui_locales": "fr " * 9000}, {"login_hint": "a@" * 9000}, {"id_token_hint": "a." * 9000},
        {"resource": "https://x/" * 5000}, {"code_challenge": "A" * 60_000}, {"dpop_jkt": "A" * 60_000},
        {"max_age": "9" * 60_000}, {"response_mode": "x" * 60_000}, {"response_type": "code " * 9000},
        {f"p{n}": "x" for n in range(5000)}, {"request": "a." * 9000}, {"request_uri": "urn:" * 9000},
    ]  # fmt: skip
    person.open(rp.request())
    for flood in floods:
        address = rp.request(**flood)
        began = time.thread_time()
        response = person.client.get(address, base_url=ISSUER)
        spent = time.thread_time() - began
        assert response.status_code < 500, list(flood)[:3]
        assert spent < 5, (list(flood)[:3], spent)  # of this thread alone, so a busy machine does not count
        is_told = response.status_code == 414 or "error=" in response.headers["Location"]
        assert "p0" in flood or is_told, list(flood)[:3]
        assert push(rp, **flood).status_code in {201, 400, 413}
