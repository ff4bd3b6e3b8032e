"""The headers of every kind of answer and the attributes of every cookie (ASVS 3.3, 3.4; N-16)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.settings import Settings
from idp.web.guard import LONGEST_QUERY
from tests.actions import PASSWORD, finish_registration, letter
from tests.support.person import Person, newest_code
from wsgi import create_app

HTTPS = "https://connect.example.ch"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
}
POLICY = (
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
    "object-src 'none'", "form-action 'self'",
)  # fmt: skip
FORBIDDEN = ("Server", "X-Powered-By", "Access-Control-Allow-Private-Network", "Public-Key-Pins")
LARGEST_COOKIE = 4096


def breaks() -> str:
    raise RuntimeError("broken on purpose")


def finds_no_database() -> str:
    raise OperationalError("SELECT 1", {}, Exception("gone"))


@pytest.fixture
def secure(
    app: Flask, environment: dict[str, str], clock: FrozenClock, signing_keys: None, portal: Portal
) -> Iterator[Flask]:
    """The application as it is behind https, with two pages that break."""
    settings = Settings.from_environ({**environment, "CONNECT_ISSUER": HTTPS})
    web = create_app(services=build_services(settings, clock=clock))
    web.add_url_rule("/broken", "broken", breaks)
    web.add_url_rule("/gone", "gone", finds_no_database)
    yield web
    with web.app_context():
        db.engine.dispose()


Ask = Callable[[str], TestResponse]
KINDS: dict[str, tuple[int, Callable[[Flask], TestResponse]]] = {
    "page": (200, lambda web: get(web, "/help")),
    "redirect": (303, lambda web: get(web, "/cpx/login")),
    "step without its cookie": (303, lambda web: get(web, "/cpx/login?f=aaaaaaaaaaaaaaaaaaaaaa")),
    "faulty request of a portal": (400, lambda web: get(web, "/authorize")),
    "form of another site": (403, lambda web: web.test_client().post("/cpx/login", base_url=HTTPS)),
    "missing page": (404, lambda web: get(web, "/nowhere/at/all")),
    "wrong method": (405, lambda web: web.test_client().put("/help", base_url=HTTPS)),
    "journey that is over": (410, lambda web: get(web, "/authorize/resume/x")),
    "too large": (413, lambda web: web.test_client().post("/cpx/login", base_url=HTTPS, data={"a": "x" * 70_000})),
    "too long": (414, lambda web: get(web, "/help?" + "x" * (LONGEST_QUERY + 1))),
    "wrong host": (421, lambda web: web.test_client().get("/help", base_url="https://evil.example")),
    "fault": (500, lambda web: get(web, "/broken")),
    "outage": (503, lambda web: get(web, "/gone")),
    "machine": (400, lambda web: web.test_client().post("/token", base_url=HTTPS)),
    "userinfo": (401, lambda web: get(web, "/userinfo")),
    "missing file": (404, lambda web: get(web, "/static/nothing.js")),
}


def get(web: Flask, path: str, **headers: str) -> TestResponse:
    return web.test_client().get(path, base_url=HTTPS, headers=headers, buffered=True)


def check(answer: TestResponse) -> None:
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    parts = [part.strip() for part in answer.headers["Content-Security-Policy"].split(";")]
    assert [rule for rule in POLICY if not any(part.startswith(rule) for part in parts)] == []
    assert not any("unsafe" in part or "*" in part for part in parts)
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert [name for name in FORBIDDEN if name in answer.headers] == []
    assert all(len(answer.headers.getlist(name)) == 1 for name in (*ALWAYS, "Content-Security-Policy", "Cache-Control"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_answer_has_the_headers_and_is_not_kept(secure: Flask, kind: str) -> None:
    status, ask = KINDS[kind]
    answer = ask(secure)
    assert answer.status_code == status
    check(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.data:
        assert answer.mimetype in {"text/html", "application/json"}
        assert answer.mimetype != "text/html" or "charset=utf-8" in answer.content_type


def test_a_file_is_kept_for_ever_and_only_while_it_is_there(secure: Flask) -> None:
    found = get(secure, "/static/connect.css")
    again = get(secure, "/static/connect.css", **{"If-None-Match": found.headers["ETag"]})
    part = get(secure, "/static/connect.css", Range="bytes=0-9")
    beyond = get(secure, "/static/connect.css", Range="bytes=99999999-")
    answers = (found, again, part, beyond)
    assert [answer.status_code for answer in answers] == [200, 304, 206, 416]
    for answer in answers:
        check(answer)
    immutable = "public, max-age=31536000, immutable"
    assert [answer.headers["Cache-Control"] for answer in answers] == [*[immutable] * 3, "no-store"]


def test_what_is_public_may_be_kept_and_nothing_of_a_person(secure: Flask) -> None:
    for path in ("/jwks", "/.well-known/openid-configuration"):
        assert "no-store" not in get(secure, path).headers["Cache-Control"]
        assert "Set-Cookie" not in get(secure, path).headers


def test_every_cookie_has_every_attribute(
    secure: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    sent: list[str] = []
    secure.after_request(lambda answer: sent.extend(answer.headers.getlist("Set-Cookie")) or answer)
    person = Person(secure)
    person.issuer = HTTPS
    person.open("/help?lang=de")
    person.open("/help?lang=fr")
    person.open(f"/{portal.slug}/register/code")
    finish_registration(person, letter(services, portal), "helene@example.ch")
    clock.advance(timedelta(minutes=2))
    person.open("/logout")
    person.submit(extent="all")
    portal.trusted_devices = True
    db.session.commit()
    person.open(f"/{portal.slug}/login")
    person.submit(email="helene@example.ch", password=PASSWORD)
    person.submit(otp=newest_code("sms"), trust="yes")
    names = set()
    for line in sent:
        assert len(line) < LARGEST_COOKIE
        ((name, cookie),) = SimpleCookie(line).items()
        names.add(name)
        assert name.startswith("__Host-connect_")
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Lax"), line
        assert cookie["secure"], line
        assert cookie["httponly"], line
        assert "helene" not in cookie.value
    assert names == {f"__Host-connect_{kind}" for kind in ("browser", "lang", "portal", "session", "trusted")}
