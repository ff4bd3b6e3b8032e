"""O-05, O-23: what is not offered is refused by name, and nothing that a request names is ever fetched."""

from __future__ import annotations

import socket
import threading

import pytest
from flask import Flask

from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of


@pytest.mark.parametrize(
    "kind", ["token", "id_token", "code token", "code id_token", "id_token token", "none", "", "CODE"]
)
def test_only_the_code_flow_is_offered(rp: RelyingParty, person: Person, kind: str) -> None:
    person.open(rp.request(response_type=kind))
    assert answer_of(person.address)["error"] == "unsupported_response_type"


@pytest.mark.parametrize("kind", ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "ü", ""])
def test_other_grants_are_unknown_here(rp: RelyingParty, kind: str) -> None:
    response = rp.post("/token", grant_type=kind, username="helene@example.ch", password="x", scope="openid")
    assert (response.status_code, response.get_json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "kind",
    [
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ],
)
def test_a_grant_that_a_portal_did_not_register_is_not_its_to_use(rp: RelyingParty, kind: str) -> None:
    response = rp.post("/token", grant_type=kind, device_code="x", subject_token="x", scope="openid")
    assert (response.status_code, response.get_json()["error"]) == (400, "unauthorized_client")


def test_request_objects_are_refused_and_never_fetched(rp: RelyingParty, person: Person) -> None:
    touched = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(1)

        def listen() -> None:
            try:
                canary.accept()
                touched.set()
            except TimeoutError:
                pass

        watcher = threading.Thread(target=listen)
        watcher.start()
        person.open(rp.request(request_uri=f"http://127.0.0.1:{canary.getsockname()[1]}/r"))
        assert answer_of(person.address)["error"] == "request_uri_not_supported"
        person.open(rp.request(request="eyJhbGciOiJub25lIn0.e30."))
        assert answer_of(person.address)["error"] == "request_not_supported"
        watcher.join()
    assert not touched.is_set()


def test_machines_get_json_whatever_they_send(web: Flask, rp: RelyingParty) -> None:
    client = web.test_client()
    for method, path in (("GET", "/token"), ("PUT", "/token"), ("DELETE", "/userinfo"), ("POST", "/jwks")):
        response = client.open(path, method=method, base_url=ISSUER)
        assert response.status_code == 405, (method, path)
        assert response.content_type == "application/json"
    bodies: list[tuple[bytes, str]] = [
        (b"grant_type=refresh_token&grant_type=password", "application/x-www-form-urlencoded"),
        (b'{"grant_type":"refresh_token"}', "application/json"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"grant_type=authorization_code&code=%ff%fe", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
        (b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"&" * 5000, "application/x-www-form-urlencoded"),
        (b"--b\r\n\r\n", "multipart/form-data; boundary=b"),
    ]
    for body, kind in bodies:
        for headers in ({}, {"Authorization": "Basic \u00fc"}, {"Authorization": "Basic //79"}, {"Authorization": "x"}):
            response = client.post("/token", data=body, content_type=kind, headers=headers, base_url=ISSUER)
            assert 400 <= response.status_code < 500, (body[:40], headers)
            assert response.content_type == "application/json", (body[:40], headers, response.data[:80])
            assert response.headers["Cache-Control"] == "no-store"
    assert rp.post("/token?code=x", grant_type="authorization_code").get_json()["error"] == "invalid_request"
