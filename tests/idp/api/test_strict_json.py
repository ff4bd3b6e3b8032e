"""Bodies: what is no strict JSON is refused with 400, whatever the route would have made of it."""

from __future__ import annotations

import io

import pytest
from flask import Flask, request

from idp.api import strict_json
from idp.web.problems import Kind, Problem

pytestmark = pytest.mark.no_database
REFUSED = {
    "nothing": b"", "half": b'{"a":', "two": b"{} {}", "a comment": b"{} // x", "twice": b'{"a":1,"a":2}',
    "twice, deep": b'{"x":[{"b":1,"b":1}]}', "NaN": b'{"a":NaN}', "infinite": b"[-Infinity]", "1e999": b"[1e999]",
    "a long number": b"[" + b"9" * 5000 + b"]", "2^60": b"[1152921504606846976]", "deep": b"[" * 13 + b"]" * 13,
    "very deep": b"[" * 60_000, "deep objects": b'{"a":' * 13 + b"1" + b"}" * 13, "half a pair": b'["\\ud800"]',
    "half a pair, as a name": b'{"\\udfff":1}', "NUL": b'["\\u0000"]', "a raw NUL": b'["\0"]', "latin-1": b'["\xe9"]',
    "UTF-16": '{"a":1}'.encode("utf-16"), "a raw surrogate": b'["\xed\xa0\x80"]', "a raw line break": b'["a\nb"]',
    "a byte order mark": b"\xef\xbb\xbf{}", "single quotes": b"{'a':1}", "a trailing comma": b"[1,]",
    "hexadecimal": b"[0x10]", "a leading zero": b"[01]",
}  # fmt: skip
TAKEN = {
    "an object": (b'{"a":[1,2.5,null,true,"\\u00e9"]}', {"a": [1, 2.5, None, True, "é"]}),
    "a pair": (b'["\\ud83d\\ude00"]', ["😀"]), "deep enough": (b"[" * 12 + b"]" * 12, [[[[[[[[[[[[]]]]]]]]]]]]),
    "brackets in a text": (b'["[[[[[[[[[[[[[[[[\\"[["]', ['[[[[[[[[[[[[[[[["[[']),
    "the largest": (b"[9007199254740992]", [9007199254740992]),
}  # fmt: skip


def read(body: bytes, **headers: str) -> object:
    given = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with Flask("x").test_request_context(method="PUT", input_stream=io.BytesIO(body), headers=given,
                                         content_length=len(body)):  # fmt: skip
        return strict_json.read(request)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_strict_json_is_refused(name: str) -> None:
    with pytest.raises(Problem) as refused:
        read(REFUSED[name])
    assert refused.value.kind is Kind.MALFORMED
    assert refused.value.detail.isascii()


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_json_is_read(name: str) -> None:
    body, value = TAKEN[name]
    assert read(body) == value
    assert read(body, Content_Type="application/merge-patch+json; charset=utf-8") == value


def test_only_json_is_read_and_as_it_is() -> None:
    for headers in ({"Content_Type": "text/plain"}, {"Content_Type": ""}, {"Content_Encoding": "gzip"}):
        with pytest.raises(Problem) as refused:
            read(b"{}", **headers)
        assert refused.value.kind is Kind.UNSUPPORTED_MEDIA_TYPE
