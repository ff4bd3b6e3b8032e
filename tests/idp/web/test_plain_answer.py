from __future__ import annotations

import pytest
from flask import Response
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import create_environ
from werkzeug.urls import iri_to_uri

from idp.web.plain_answer import ADDRESS, PlainAnswer

PLAIN = [
    "/", "/cpx/login?for=Ab_-1", "https://cpx.example.ch/cb?code=cc_code_1&state=%C3%A9&iss=https%3A%2F%2Fid.example.ch",
    "http://localhost:8000/callback", "https://a.example.ch:443/b;c=d/e?f=g?h@i",
]  # fmt: skip
OTHERS = [
    "", "//evil.example", "https://é.example.ch/", "https://a.example.ch/é?é", "https://a.example.ch/cb#x", "/a?", "/ ",
    "https://u:p@a.example.ch/", "HTTPS://a.example.ch/", "https://A.example.ch/", "https://a.example.ch:080/", "/\n",
    "ch.example.app:/callback", "https://[::1]/", "https://a..ch/", "/a|b", "https://a.example.ch:0/",
]  # fmt: skip
PIECES = st.lists(
    st.sampled_from([*"aA0.:/?#&=@%-_~|[] é", "https://", "http://", "a.ch", ":80", ":99999", "//", "%C3"])
)


@given(PIECES.map("".join))
def test_a_plain_address_is_what_werkzeug_would_make_of_it(address: str) -> None:
    assert ADDRESS.fullmatch(address) is None or iri_to_uri(address) == address


@pytest.mark.parametrize("address", PLAIN)
def test_what_portals_register_is_plain(address: str) -> None:
    assert ADDRESS.fullmatch(address)


@pytest.mark.parametrize("address", OTHERS)
def test_what_must_be_looked_at_is_not_plain(address: str) -> None:
    assert not ADDRESS.fullmatch(address)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 204, 206, 303, 304, 404, 500])
@pytest.mark.parametrize("body", [b"", b"x", "é", ["a", "b"], None])
@pytest.mark.parametrize(
    "header", [("X", "y"), ("Location", "/é"), ("Location", "/e"), ("Content-Location", "/é")], ids=str
)
def test_an_answer_leaves_as_flasks_own(method: str, status: int, body: object, header: tuple[str, str]) -> None:
    sent = []
    for kind in (Response, PlainAnswer):
        streamed = iter(["a"]) if body is None else body
        answer = kind(streamed, status, [header])  # type: ignore[arg-type]
        rest, line, headers = answer.get_wsgi_response(create_environ(method=method))
        sent.append((b"".join(rest), line, headers))
    assert sent[0] == sent[1]
