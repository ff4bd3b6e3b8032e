"""O-01, O-07, F-26: no address that was not registered, character by character, ever stands in a Location."""

from __future__ import annotations

import re
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
    "https://[fe80::1%25eth0]/callback", "https://[::1", "https://cpx.example.ch]/callback", "https://0/callback",
    "https://cpx.example.ch\uff0fcallback", "https://cpx.example.ch\uff20evil.example/callback",
    "////evil.example/callback",
    "https:\\\\cpx.example.ch\\callback", "//cpx.example.ch/callback", "/callback", "?x=https://evil.example",
]  # fmt: skip


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(set(HOSTILE)) >= 120
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


def test_a_change_of_language_stays_on_our_own_host(person: Person) -> None:
    """The path itself is hostile: what stands there must not become the host of a Location or of a link."""
    paths = [
        "/\\evil.example/login", "/%5Cevil.example/login", "/%5c%5cevil.example/login", "//evil.example/login",
        "/%2Fevil.example/login", "/%2f%2fevil.example/login", "///evil.example/login", "/.evil.example/login",
        "/@evil.example/login", "/%09/evil.example/login", "/%0d%0aLocation:%20https:%2f%2fevil.example/login",
        "/https:%2f%2fevil.example/login", "/evil.example%2f..%2f/login", "/%E3%80%82evil.example/login",
        "/cpx/login;@evil.example", "/..%2f..%2fevil.example/login", "/%00evil.example/login", "/;/evil.example/login",
    ]  # fmt: skip
    for path in paths:
        for language in ("de", "//evil.example", "de\r\nX: y"):
            response = person.client.get(path, query_string={"lang": language}, base_url=ISSUER)
            location = response.headers.get("Location", "/")
            assert location.startswith("/"), path
            assert location[1:2] not in {"/", "\\"}, path
            assert response.status_code < 500, path
            for link in re.findall(r'href="([^"]*)"', response.text):
                assert not link.startswith(("//", "/\\")), (path, link)
                if "evil" in link:
                    assert re.match(r"/[^/\\]", link), (path, link)


@pytest.mark.parametrize(
    "name", ["for", "then", "from", "next", "portal", "q", "c", "f", "lang", "resume", "return_to"]
)
def test_no_parameter_of_our_pages_names_where_to_go(person: Person, name: str) -> None:
    for path in ("/", "/cpx/login", "/cpx/register/code", "/cpx/link/code", "/cpx/r", "/account", "/logout"):
        for hostile in HOSTILE[:: 1 if name in {"for", "then", "next", "portal"} else 6]:
            text = hostile.encode("utf-8", "replace").decode()
            response = person.client.get(path, query_string={name: text}, base_url=ISSUER)
            assert response.status_code < 500, (path, name, hostile)
            location = response.headers.get("Location", "/")
            assert is_ours(location) or location == "https://cpx.example.ch/", (path, name, hostile)


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
