"""O-01, O-07, F-26: no address that was not registered, character by character, ever stands in a Location."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty

GOOD = "https://cpx.example.ch/callback"
HOST = "cpx.example.ch"
HOSTILE = [
    "", " ", "/", "//", "//evil.example", "\\\\evil.example", "/\\evil.example", "https:evil.example",
    "https:/evil.example", "https:///evil.example", "http://cpx.example.ch/callback", "HTTPS://cpx.example.ch/callback",
    "https://CPX.example.ch/callback", "https://cpx.example.ch./callback", "https://cpx.example.ch:443/callback",
    "https://cpx.example.ch:444/callback", "https://cpx.example.ch@evil.example/callback",
    "https://evil.example@cpx.example.ch/callback", "https://user:pw@cpx.example.ch/callback",
    "https://cpx.example.ch.evil.example/callback", "https://evilcpx.example.ch/callback",
    "https://evil.example/cpx.example.ch/callback", "https://evil.example/?https://cpx.example.ch/callback",
    "https://evil.example#https://cpx.example.ch/callback", "https://evil.example\\@cpx.example.ch/callback",
    "https://cpx.example.ch\\@evil.example/callback", "https://cpx.example.ch%40evil.example/callback",
    "https://cpx.example.ch%2F@evil.example/callback", "https://cpx.example.ch/callback/", "https://cpx.example.ch/",
    "https://cpx.example.ch/callback/../evil", "https://cpx.example.ch/x/..;/callback",
    "https://cpx.example.ch/%2e%2e/callback", "https://cpx.example.ch/%63allback", "https://cpx.example.ch/call%62ack",
    "https://cpx.example.ch/callback%00", "https://cpx.example.ch/callback%0d%0aSet-Cookie:a=b",
    "https://cpx.example.ch/callback\r\nLocation: https://evil.example", "https://cpx.example.ch/callback\n",
    "https://cpx.example.ch/callback\t", "\thttps://cpx.example.ch/callback", " https://cpx.example.ch/callback",
    "https://cpx.example.ch/callback ", "https://cpx.example.ch/callback?", "https://cpx.example.ch/callback?x=1",
    "https://cpx.example.ch/callback#", "https://cpx.example.ch/callback#x", "https://cpx.example.ch//callback",
    "https://cpx.example.ch/callback;x", "https://cpx.example.ch/Callback", "https://[::1]/callback",
    "https://[::ffff:127.0.0.1]/callback", "https://127.0.0.1/callback", "http://localhost/callback",
    "https://2130706433/callback", "https://0x7f.1/callback", "javascript:alert(1)", "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)", "javascript://cpx.example.ch/%0aalert(1)", "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)", "file:///etc/passwd", "ftp://cpx.example.ch/callback", "mailto:a@evil.example",
    "com.evil.app:/callback", "urn:ietf:wg:oauth:2.0:oob", "about:blank", "blob:https://cpx.example.ch/x",
    "https://срх.example.ch/callback", "https://xn--cpx-xyz.example.ch/callback", "https://cpx.exаmple.ch/callback",
    "https://cpx。example.ch/callback", "https://cpx.example.ch\u2044callback", "https://cpx.example.ch\u2028/callback",
    "https://cpx.example.ch/callback\u0000", "https://cpx.example.ch/callback\u560a\u560d", "\u202ehttps://cpx.example.ch",
    "https://*.example.ch/callback", "https://cpx.example.ch/*", "https://cpx.example.ch/callback,https://evil.example",
    "https://cpx.example.ch/callback https://evil.example", '"https://cpx.example.ch/callback"', "null", "None",
    "https://cpx.example.ch/callback" + "a" * 5000, "https://" + "a." * 1000 + "ch/", "%", "%%", "ü", "\ud83d\ude00",
    "https%3A%2F%2Fcpx.example.ch%2Fcallback", "https:%2f%2fcpx.example.ch/callback", "https://cpx.example.ch/callback%20",
    "https://help@cpx.example.ch/callback", "https://cpx.example.ch:/callback",
    "https://cpx.example.ch:0443/callback", "https://cpx.example.ch:99999/callback", "https://cpx.example.ch:evil/callback",
    "https://cpx.example.ch/callback?redirect_uri=https://evil.example", "https://cpx.example.ch/call/../callback",
    "https://cpx.example.ch/./callback", "https://cpx.example.ch/callback/.", "https://cpx.example.ch/callback\\",
    "https://cpx.example.ch/callback%5c", "https://cpx.example.ch/callback%252e", "https://evil.example/callback",
    "https://example.ch/callback", "https://x.cpx.example.ch/callback", "https://cpx.example.ch..evil.example/callback",
    "https://cpx.example.ch%E3%80%82evil.example/callback", "https://cpx.example.ch%00.evil.example/callback",
]  # fmt: skip


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(set(HOSTILE)) >= 110
    assert GOOD not in HOSTILE


def is_ours(location: str) -> bool:
    parts = urlsplit(location)
    return not location.startswith("//") and (parts.netloc in {"", urlsplit(ISSUER).netloc})


@pytest.mark.parametrize("error", [{}, {"response_type": "token"}, {"prompt": "none"}, {"scope": ""}])
def test_authorize_answers_a_foreign_redirect_uri_with_a_page(
    rp: RelyingParty, person: Person, error: dict[str, str]
) -> None:
    for hostile in HOSTILE:
        response = person.client.get(
            rp.request(redirect_uri=hostile.encode("utf-8", "surrogatepass").decode("utf-8", "replace"), **error),
            base_url=ISSUER,
        )
        assert response.status_code == 400, hostile
        assert "Location" not in response.headers, hostile
    assert person.client.get(rp.request(redirect_uri=None, **error), base_url=ISSUER).status_code == 400


def test_logout_goes_to_registered_addresses_only(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request())
    hint = rp.redeem(person.address.split("code=")[1].split("&")[0]).get_json()["id_token"]
    for hostile in HOSTILE:
        query = {"id_token_hint": hint, "post_logout_redirect_uri": hostile.encode("utf-8", "replace").decode()}
        response = person.client.get("/logout", query_string=query, base_url=ISSUER)
        assert response.status_code == (400 if "\0" in hostile else 200), hostile
        assert "Location" not in response.headers, hostile


def test_choices_on_our_pages_lead_to_our_pages(person: Person) -> None:
    journeys = [
        (path, name) for path in ("/cpx/login", "/cpx/link/code") for name in ("for", "then", "from", "f", "next")
    ]
    for at, hostile in enumerate(HOSTILE):
        text = hostile.encode("utf-8", "replace").decode()
        pages = [("/", "portal"), ("/", "lang"), ("/livez", "next"), journeys[at % len(journeys)]]
        for path, name in pages:
            response = person.client.get(path, query_string={name: text}, base_url=ISSUER)
            location = response.headers.get("Location", "")
            assert is_ours(location) or location == "https://cpx.example.ch/", (path, name, hostile)
