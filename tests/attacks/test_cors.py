"""C-49, V3.4.2: no other origin's script reads an answer of the endpoints that hold secrets, whatever it asks for."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.person import ISSUER

ORIGINS = [
    "https://cpx.example.ch", "https://evil.example", "null", ISSUER, "https://cpx.example.ch.evil.ch",
    "https://evilcpx.example.ch", "https://cpx.example.ch:8443", "http://cpx.example.ch", "file://", "", "*",
    "https://cpx.example.ch, https://evil.example", "https://xn--cpx-xyz.example.ch", "https://CPX.example.ch",
    "https://cpx.example.ch@evil.example", "https://cpx.example.ch%00.evil.example", "chrome-extension://abc",
    "https://localhost:8000.evil.example", "https://[::1]", "data:text/html,x",
]  # fmt: skip
CLOSED = ["/token", "/userinfo", "/introspect", "/revoke", "/device_authorization", "/device", "/authorize", "/logout"]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_origin_is_let_in(web: Flask, path: str, method: str) -> None:
    for origin in ORIGINS:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        headers["Access-Control-Request-Headers"] = "authorization, dpop"
        answer = web.test_client().open(path, method=method, headers=headers, base_url=ISSUER)
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")], (path, origin)


@pytest.mark.parametrize("path", ["/jwks", "/.well-known/openid-configuration"])
def test_what_is_public_is_readable_by_all_and_without_credentials(web: Flask, path: str) -> None:
    answer = web.test_client().get(path, headers={"Origin": "https://evil.example"}, base_url=ISSUER)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
