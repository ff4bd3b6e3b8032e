"""Conditions that hold for every answer of the application, whichever test asked for it (OIDC and OAuth on the wire).

A test application is watched; what a condition finds fails the test that caused it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask, Response, request

PRINTABLE = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
ALWAYS = (
    "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options", "Cache-Control",
    "Cross-Origin-Opener-Policy", "Permissions-Policy",
)  # fmt: skip
TO_A_PORTAL = {
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
    "response",
    "login_hint",
    "target_link_uri",
}
OF_A_TOKEN_ANSWER = {
    "access_token", "token_type", "expires_in", "scope", "id_token", "refresh_token", "issued_token_type",
}  # fmt: skip
OF_AN_ERROR = {"error", "error_description", "error_uri"}
MACHINES = {"/token", "/par", "/introspect", "/revoke", "/userinfo", "/device_authorization"}
Finding = Iterator[str]


def headers(response: Response) -> Finding:
    for name in ALWAYS:
        if not response.headers.get(name):
            yield f"{name} is missing"
    for cookie in response.headers.getlist("Set-Cookie"):
        if "httponly" not in cookie.lower() or "samesite=" not in cookie.lower():
            yield f"the cookie {cookie.split('=')[0]} lacks an attribute"


def after_a_post(response: Response) -> Finding:
    """RFC 9700 §4.12: 303 after a POST, never 307 or 308, which would send the form on."""
    if response.status_code in {301, 302, 307, 308}:
        yield f"a redirect with {response.status_code}"


def redirect(response: Response) -> Finding:
    """What goes to a portal has no parameter that a standard does not name, each once, in plain ASCII."""
    parts = urlsplit(response.headers.get("Location", ""))
    if not parts.netloc or parts.netloc == request.host:
        return
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in pairs]
    if "error" in names or "code" in names:
        asked = parse_qsl(urlsplit(request.values.get("redirect_uri", "")).query)
        unknown = set(names) - TO_A_PORTAL - {name for name, _ in asked}
        if unknown and asked:
            yield f"unknown parameters {sorted(unknown)} to a portal"
        if len(names) != len(set(names)):
            yield "a parameter twice to a portal"
        if "iss" not in names:
            yield "an answer without iss (RFC 9207)"
    for name, value in pairs:
        if name == "error_description" and not PRINTABLE.fullmatch(value):
            yield "an error_description that is not plain ASCII"


def machine(response: Response) -> Finding:
    """JSON that is never cached, without a null, with known members only."""
    if request.path not in MACHINES:
        return
    if response.headers.get("Cache-Control") != "no-store":
        yield "a machine's answer that may be cached"
    if response.mimetype != "application/json" or not response.get_data():
        return
    body = json.loads(response.get_data())
    if not isinstance(body, dict):
        yield "an answer that is no object"
        return
    if None in body.values() or "" in body.values():
        yield "an empty member in an answer"
    if response.status_code >= 400:
        if set(body) - OF_AN_ERROR or not PRINTABLE.fullmatch(str(body.get("error_description", ""))):
            yield "an error with unknown members or not in plain ASCII"
        if response.status_code == 401 and request.path == "/userinfo" and "WWW-Authenticate" not in response.headers:
            yield "a 401 without WWW-Authenticate"
    elif request.path == "/token":
        if set(body) - OF_A_TOKEN_ANSWER:
            yield f"unknown members {sorted(set(body) - OF_A_TOKEN_ANSWER)} in a token answer"
    elif request.path == "/userinfo":
        yield from claim_types(body)


def claim_types(claims: dict[str, Any]) -> Finding:
    for name, value in claims.items():
        if name in {"email_verified", "phone_number_verified"}:
            right = isinstance(value, bool)
        elif name == "updated_at":
            right = isinstance(value, int) and not isinstance(value, bool)
        elif name in {"verified_claims", "address"}:
            right = isinstance(value, dict | list)
        else:
            right = isinstance(value, str)
        if not right:
            yield f"the claim {name} has a wrong type"


CONDITIONS: tuple[Callable[[Response], Finding], ...] = (headers, after_a_post, redirect, machine)


def watch(app: Flask) -> list[str]:
    """The list that fills with what the conditions find in the answers of this application."""
    found: list[str] = []

    def judge(response: Response) -> Response:
        if not response.direct_passthrough:
            place = f"{request.method} {request.url_rule} {response.status_code}"
            found.extend(f"{place}: {finding}" for condition in CONDITIONS for finding in condition(response))
        return response

    # Flask calls these in reverse order: the first in the list sees the answer as it leaves.
    app.after_request_funcs.setdefault(None, []).insert(0, judge)
    return found
