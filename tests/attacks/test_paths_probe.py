"""Addresses that scanners try, and methods that nobody offers: never a file, never a trace, never a fault."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from idp.models.portal import Portal
from tests.support.person import ISSUER

PROBES = (
    "/.git", "/.git/config", "/.git/HEAD", "/.env", "/.env.local", "/.well-known", "/.well-known/", "/.ssh/id_rsa",
    "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/..%5c..%5cwindows", "/%c0%ae%c0%ae/x",
    "/static", "/static/", "/static/.", "/static/..", "/static/../wsgi.py", "/static/%2e%2e/%2e%2e/wsgi.py",
    "/static/..%2f..%2fwsgi.py", "/static/....//wsgi.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
    "/static/%00", "/static/nothing.js", "/static/connect.css.map", "/static/CONNECT.CSS",
    "/\\evil.example", "/%5cevil.example", "/cpx//login", "/cpx/login/",
    "/cpx/login%2f", "/cpx/./login", "/cpx/../cpx/login", "/cpx;a=b/login", "/;/", "/cpx/%00",
    "/%00", "/%ff", "/%ed%a0%80", "/%25%32%65", "/%", "/cpx/login.php", "/authorize/",
    "/token/", "/jwks/", "/userinfo/",
    "/authorize/resume/", "/authorize/resume/..%2f..", "/authorize/resume/%00", "/account/", "/logout/", "/device/",
    "/wp-login.php", "/phpmyadmin/", "/server-status", "/actuator/env", "/debug", "/console", "/connect.db",
    "/wsgi.py", "/idp/settings.py", "/pyproject.toml", "/templates/base.html", "/demo", "/robots.txt.bak",
    "/" + "a" * 8_000, "/" + "/".join("a" * 1_000), "/" + "%2e%2e%2f" * 500,
)  # fmt: skip
PLACE, GIVEN = re.compile(r"<(?:[^:>]*:)?(\w+)>"), {"name": "help", "slug": "cpx"}
ODD_METHODS = ("TRACE", "PUT", "DELETE", "PATCH", "CONNECT", "PROPFIND", "SEARCH", "FOO")
TRACES = ("Traceback", "werkzeug", "sqlalchemy", 'File "/', "root:", "def create_app", "[core]", "CONNECT_")


def ask(web: Flask, method: str, address: str, **headers: str) -> TestResponse:
    return web.test_client().open(address, method=method, base_url=ISSUER, headers=headers, buffered=True)


def check(answer: TestResponse, what: str) -> None:
    """No fault, nothing of the house, and no way out of it."""
    assert answer.status_code < 500, what
    body = answer.get_data(as_text=True)
    assert [trace for trace in TRACES if trace in body] == [], what
    location = answer.headers.get("Location", "/")
    assert location.startswith("/"), what
    assert not location.startswith(("//", "/\\")), what


def test_what_scanners_try_is_not_there(web: Flask, portal: Portal) -> None:
    for probe in PROBES:
        for method in ("GET", "POST"):
            answer = ask(web, method, probe)
            check(answer, f"{method} {probe[:80]}")
            assert answer.status_code >= 400, f"{method} {probe[:80]}: {answer.status_code}"


def addresses(web: Flask) -> dict[str, set[str]]:
    """One address of every rule, with something in each of its places, and the methods that it offers."""
    found: dict[str, set[str]] = {}
    for rule in web.url_map.iter_rules():
        address = PLACE.sub(lambda place: GIVEN.get(place[1], "x"), rule.rule)
        found.setdefault(address, set()).update(rule.methods or ())
    return found


def test_a_method_that_an_address_does_not_offer_is_refused_and_told(web: Flask, portal: Portal) -> None:
    for address, offered in addresses(web).items():
        for method in set(ODD_METHODS) - offered:
            answer = ask(web, method, address, **{"X-Canary": "echo-of-a-header"})
            check(answer, f"{method} {address}")
            assert answer.status_code in {404, 405}, f"{method} {address}: {answer.status_code}"
            assert answer.status_code == 404 or answer.headers["Allow"]
            assert "echo-of-a-header" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_head_and_options_are_harmless_everywhere(web: Flask, portal: Portal, method: str) -> None:
    for address in addresses(web):
        answer = ask(web, method, address)
        check(answer, f"{method} {address}")
        assert answer.get_data() == b"" or method == "OPTIONS"
        assert "Access-Control-Allow-Origin" not in answer.headers or address.startswith(("/.well-known", "/jwks"))
