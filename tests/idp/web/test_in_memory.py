from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.test import create_environ
from werkzeug.wrappers import Request

from idp.web.in_memory import InMemory, Values, pairs

WORDS = st.lists(st.sampled_from(["&", "=", "+", "%", "%00", "%C3", "%A9", "%2B", "%zz", "é", ";", "a", "b", "\0"]))


@given(WORDS.map("".join))
def test_a_query_is_read_as_werkzeug_reads_it(query: str) -> None:
    assert pairs(query) == parse_qsl(query, keep_blank_values=True, errors="werkzeug.url_quote")


def test_a_request_without_a_query_has_no_parameters() -> None:
    assert not InMemory(create_environ("/")).args


def test_values_tell_nothing_of_what_was_sent() -> None:
    assert "secret" not in f"{Values([('password', 'secret')])!r} {Values([('password', 'secret')])}"


@pytest.mark.parametrize("sent", [None, "", "a=b", "a=b; c=d;a=e", 'a="\\303\\251\\000"', "a", "=b", ";", "a=\xc3\xa9"])
def test_cookies_are_read_as_werkzeug_reads_them(sent: str | None) -> None:
    environ = {**create_environ("/"), **({"HTTP_COOKIE": sent} if sent is not None else {})}
    assert InMemory(environ).cookies == Request(environ).cookies


@pytest.mark.parametrize("name", ["once", "twice", "absent"])
@pytest.mark.parametrize("default", [None, "x"])
@pytest.mark.parametrize("kind", [None, int])
def test_a_value_is_found_as_werkzeug_finds_it(name: str, default: str | None, kind: type[int] | None) -> None:
    given = [("once", "1"), ("twice", "2"), ("twice", "3")]
    ours, theirs = Values(given), ImmutableMultiDict(given)
    assert ours.get(name, default, kind) == theirs.get(name, default, kind)  # type: ignore[call-overload]
    assert ours.getlist(name, kind) == theirs.getlist(name, kind)  # type: ignore[arg-type]
