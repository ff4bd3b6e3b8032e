"""Random bytes and parameters at every address that is served, in every way it takes them: never a 5xx.

Half of the cases come from somebody who is signed in, some from a portal that proved who it is, and some fill the
form of a journey's page, so that the hostile value gets past the guard.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections import Counter
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from flows.journeys import JOURNEYS
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol.authorize_checks import KNOWN
from tests.support.person import ISSUER, Person
from tests.support.portal_client import EVERY_GRANT, change
from tests.support.relying_party import PORTAL_SECRET, RelyingParty

SEED = 20260327
HOSTILE = [
    b"", b"\x00", b"a\x00b", b"%00", b"%", b"%zz", b"\xff\xfe", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xc0\xaf",
    b"\xf4\x90\x80\x80", "é".encode(), "\u202e".encode(), "\U0010ffff".encode(), b"..", b"../../etc/passwd", b"//x",
    b"\\", b"' OR 1=1 --", b"{{7*7}}", b"%s%n", b"<script>", b"9" * 40, b"-1", b"NaN", b"null", b"[]", b"{}", b"a.b.c",
    b"eyJhbGciOiJub25lIn0.e30.", b"eyJhbGciOiJSUzI1NiIsImtpZCI6Ilx1MDAwMCJ9.eyJpc3MiOiJcdTAwMDAifQ.AA",
    b"eyJhbGciOiJSUzI1NiIsImtpZCI6Ilx1ZDgwMCJ9.eyJpc3MiOiJcdWQ4MDAiLCJzdWIiOiJcdWQ4MDAifQ.AA", b"x" * 3000,
    b"https://[", b"https://[::1", b"http://a:99999999", b"javascript://x", b"urn:ietf:params:oauth:request_uri:\x00",
    b"cc_at_\x00", b"cc_rt_\xff", b"cc_iat_" + b"A" * 43, b"a@b\x00.ch", b"+41\x00", b"\x1b[2J", b"a b", b"+", b"&=&",
]  # fmt: skip
GOOD = [
    b"code", b"openid", b"https://cpx.example.ch/callback", b"client-cpx", b"none", b"login", b"S256", b"query",
    b"form_post", b"jwt", b"fr", b"de", b"mfa", b"cpx", b"https://api.example.ch",
    *(grant.encode() for grant in EVERY_GRANT),
]  # fmt: skip
NAMES = sorted(
    KNOWN
    | {
        "grant_type", "code", "code_verifier", "refresh_token", "token", "token_type_hint", "client_secret", "audience",
        "client_assertion", "client_assertion_type", "device_code", "user_code", "subject_token", "subject_token_type",
        "requested_token_type", "access_token", "id_token_hint", "post_logout_redirect_uri", "f", "for", "email",
        "lang", "password", "otp", "csrf_token", "registration_code", "phone", "birth_date", "grant", "answer",
    }
)  # fmt: skip
HEADERS = (
    "Authorization", "DPoP", "Cookie", "Accept", "Accept-Language", "Origin", "Referer", "Sec-Fetch-Site", "User-Agent",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Client-Cert", "If-None-Match", "Range", "Host-Header", "X-Request-ID",
)  # fmt: skip
KINDS = (
    "application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=b", "text/plain", "",
    "application/x-www-form-urlencoded; charset=utf-7", "\x80", "multipart/form-data",
)  # fmt: skip
ODD_METHODS = ("PATCH", "TRACE", "OPTIONS", "HEAD", "PUT", "DELETE", "PROPFIND")
SAMPLES = {"slug": b"cpx", "client_id": b"client-cpx", "filename": b"connect.css"}


class Attacker:
    """Makes one case after the other, the same ones in every run."""

    def __init__(self, web: Flask, rp: RelyingParty, person: Person) -> None:
        self.web, self.rp, self.person = web, rp, person
        self.chance = random.Random(SEED)
        self.rules = sorted(web.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ())))
        self.pages = sorted({path for journey in JOURNEYS.values() for path in journey.paths.values()})
        self.seen: Counter[str] = Counter()

    def value(self) -> bytes:
        kind = self.chance.random()
        if kind < 0.45:
            return self.chance.choice(HOSTILE)
        return self.chance.choice(GOOD) if kind < 0.75 else self.chance.randbytes(self.chance.randrange(80))

    def pairs(self) -> str:
        found = [
            f"{self.chance.choice(NAMES)}={quote_from_bytes(self.value())}" for _ in range(self.chance.randrange(8))
        ]
        if self.chance.random() < 0.1:
            found.append(quote_from_bytes(self.chance.randbytes(20), safe="%&=+"))
        return "&".join(found)

    def path(self, rule: Rule) -> str:
        def filled(found: re.Match[str]) -> str:
            name = found[0].strip("<>").split(":")[-1]
            known = SAMPLES.get(name, b"h") if self.chance.random() < 0.7 else self.value()
            return quote_from_bytes(known, safe="") or "x"

        return re.sub(r"<[^>]+>", filled, rule.rule)

    def headers(self) -> dict[str, str]:
        found = {
            self.chance.choice(HEADERS): re.sub("[\r\n]", "", self.value().decode("latin-1"))
            for _ in range(self.chance.randrange(4))
        }
        kind = self.chance.random()
        if kind < 0.3:
            pair = f"{self.rp.client_id}:{PORTAL_SECRET}".encode()
            if kind < 0.1:
                pair = self.value() + b":" + self.value()
            found["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        elif kind < 0.4:
            scheme = self.chance.choice(["Bearer ", "DPoP ", "bearer", "Basic "])
            found["Authorization"] = scheme + re.sub("[\r\n]", "", self.value().decode("latin-1"))
        if self.chance.random() < 0.5:
            found["Origin"] = ISSUER
        return found

    def body(self) -> tuple[bytes, str]:
        kind = self.chance.choice(KINDS)
        how = self.chance.random()
        if how < 0.6:
            return self.pairs().encode(), KINDS[0]
        if how < 0.8:
            return json.dumps({name: self.json() for name in self.chance.sample(NAMES, 3)}).encode(), KINDS[1]
        return self.chance.randbytes(self.chance.randrange(300)), kind

    def json(self) -> Any:
        text = self.value().decode("utf-8", "surrogateescape")
        return self.chance.choice([text, [text], {text: text}, None, True, 0, -1, 1e308, 2**70, "\ud800", "\x00", [[]]])

    def case(self) -> None:
        rule = self.chance.choice(self.rules)
        odd = self.chance.random() < 0.05
        method = self.chance.choice(ODD_METHODS if odd else sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}))
        data, kind = self.body() if method in {"POST", "PUT", "PATCH"} else (b"", KINDS[0])
        address = f"{self.path(rule)}?{self.pairs()}"
        browser = self.person.client if self.chance.random() < 0.5 else self.web.test_client()
        sent = self.headers()
        if "Cookie" in sent:
            browser = self.web.test_client(use_cookies=False)
        answer = browser.open(
            address, method=method, data=data, content_type=kind or None, headers=sent, base_url=ISSUER, buffered=True
        )
        self.judge(answer.status_code, (method, address, kind, data, sent))
        location = answer.headers.get("Location", "/")
        assert location.startswith(("/", ISSUER, "https://cpx.example.ch/")), location

    def form(self) -> None:
        """A page of a journey, opened and answered."""
        stranger = Person(self.web)
        stranger.open(f"/cpx/{self.chance.choice(self.pages)}?{self.pairs()}")
        self.judge(stranger.page.status_code, stranger.address)
        try:
            action, fields = stranger.filled()
        except IndexError:  # a page without a form
            return
        text = {name: self.value() for name in fields if name != "csrf_token" and self.chance.random() < 0.7}
        text |= {self.chance.choice(NAMES): self.value() for _ in range(3)}
        text.pop("csrf_token", None)
        sent = "&".join(f"{name}={quote_from_bytes(given)}" for name, given in text.items())
        answer = stranger.client.post(
            action, data=f"csrf_token={fields['csrf_token']}&{sent}", content_type=KINDS[0], base_url=ISSUER,
            headers={"Origin": ISSUER},
        )  # fmt: skip
        assert answer.status_code != 403, "the guard took the form for another's"
        self.judge(answer.status_code, (action, sent))

    def judge(self, status: int, case: object) -> None:
        self.seen[f"{status // 100}xx"] += 1
        assert status < 500, case


def attack(web: Flask, rp: RelyingParty, person: Person, cases: int) -> Counter[str]:
    change(db.session.scalars(select(Portal)).one(), grant_types=EVERY_GRANT, resources=["https://api.example.ch"])
    attacker = Attacker(web, rp, person)
    for case in range(cases):
        if case % 8:
            attacker.case()
        else:
            attacker.form()
    return attacker.seen


def test_nothing_that_is_sent_to_any_address_is_a_fault(web: Flask, rp: RelyingParty, person: Person) -> None:
    seen = attack(web, rp, person, 400)
    assert all(seen[kind] > 10 for kind in ("2xx", "3xx", "4xx")), seen


def test_a_referrer_that_is_no_address_is_a_stranger(web: Flask, rp: RelyingParty) -> None:
    """Where a browser names neither its site nor its origin, what it came from decides."""
    visitor = Person(web)
    visitor.open("/cpx/login")
    action, fields = visitor.filled()
    for referrer, expected in (
        ("https://[", 403), (f"{ISSUER}.evil.example/", 403), ("", 403), (f"{ISSUER}/cpx/login", 303), (ISSUER, 303),
    ):  # fmt: skip
        answer = visitor.client.post(action, data=fields, headers={"Referer": referrer}, base_url=ISSUER)
        assert answer.status_code == expected, referrer


@pytest.mark.long
def test_nothing_of_50_000_cases_is_a_fault(web: Flask, rp: RelyingParty, person: Person) -> None:
    attack(web, rp, person, 50_000)
