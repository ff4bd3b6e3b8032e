"""C-80, F-26: what a portal sent comes back as data in every mode, never as a header, a parameter, or markup."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from idp.models.base import db
from idp.models.portal import Portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of

POLYGLOTS = [
    "\r\nSet-Cookie: a=b", "%0d%0aLocation: https://evil.example", "x\r\n\r\n<script>alert(1)</script>",
    "&code=evil&iss=https://evil.example", "#code=evil", "?iss=evil", "';alert(1)//", '"><svg onload=alert(1)>',
    "</form><form action=https://evil.example>", "{{7*7}}", "{% print 1 %}", "&lt;b&gt;", "<!--", "]]>",
    "javascript:alert(1)", "\u2028\u2029", "\u202eevil", "\ufeff", "ä漢é", " ", "\t", "a" * 4096,
]  # fmt: skip


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, Any]]]:
    parser = Tags()
    parser.feed(html)
    return parser.seen


@pytest.mark.parametrize("changes", [{}, {"scope": "email"}])
def test_state_is_one_parameter_in_the_address(rp: RelyingParty, person: Person, changes: dict[str, str]) -> None:
    for state in POLYGLOTS:
        response = person.client.get(rp.request(state=state, **changes), base_url=ISSUER)
        location = response.headers["Location"]
        assert location.startswith(f"{rp.redirect_uri}?")
        assert location.isascii()
        assert not set("\r\n <>\"'") & set(location)
        assert not urlsplit(location).fragment
        answer = answer_of(location)
        assert (answer["state"], answer["iss"]) == (state, ISSUER)
        assert response.headers.getlist("Set-Cookie") == []
        assert set(answer) <= {"code", "state", "iss", "error", "error_description"}


@pytest.mark.parametrize("changes", [{}, {"scope": "email"}])
def test_state_is_one_field_of_the_form(rp: RelyingParty, person: Person, changes: dict[str, str]) -> None:
    person.open(rp.request(response_mode="form_post", **changes))
    expected = [tag for tag, _ in tags(person.text)]
    for state in POLYGLOTS:
        person.open(rp.request(response_mode="form_post", state=state, **changes))
        found = tags(person.text)
        assert [tag for tag, _ in found] == expected, state
        [form] = [attributes for tag, attributes in found if tag == "form"]
        assert form == {"method": "post", "action": rp.redirect_uri}
        fields = {attributes["name"]: attributes["value"] for tag, attributes in found if tag == "input"}
        assert fields["state"] == state


def test_state_is_one_claim_of_the_signed_answer(rp: RelyingParty, person: Person) -> None:
    for state in POLYGLOTS[:-1]:
        person.open(rp.request(response_mode="jwt", state=state))
        query = parse_qs(urlsplit(person.address).query)
        assert set(query) == {"response"}
        assert rp.claims(query["response"][0])["state"] == state


def test_what_operators_wrote_about_a_portal_is_text_too(rp: RelyingParty, portal: Portal, person: Person) -> None:
    row = db.session.get_one(Portal, portal.id)
    row.consent, row.publisher = True, '<img src=x onerror="alert(1)">'
    row.names = dict.fromkeys(("fr", "de", "it", "en"), "<b>Caisse</b>{{7*7}}")
    db.session.commit()
    for address in (rp.request(), rp.request(redirect_uri="https://evil.example/")):
        person.open(address)
        assert "<b>Caisse" not in person.text
        assert "{{7*7}}" in person.text
        assert not [tag for tag, _ in tags(person.text) if tag in {"img", "b"}]
