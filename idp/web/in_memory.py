"""The request as every view has it: its files never lie open on a disk, and nothing of it is worked out by a detour."""

from __future__ import annotations

from io import BytesIO
from typing import IO, Any
from urllib.parse import unquote

from flask import Request, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.sansio.http import parse_cookie
from werkzeug.utils import cached_property


class Values(ImmutableMultiDict[str, Any]):
    """Asked for one name after the other, most of which are not there: no exception is raised and caught for each."""

    def __init__(self, given: Any = None) -> None:
        if type(given) is not list:
            super().__init__(given)
            return
        values: dict[str, Any] = {}  # pairs, as everything of a request comes, need not be looked at for what they are
        for name, value in given:
            values.setdefault(name, []).append(value)
        dict.__init__(self, values)

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]
        if type is not None:
            return super().get(key, default, type)
        found: Any = dict.get(self, key)  # all values of this name
        return found[0] if found else default

    def getlist(self, key: str, type: Any = None) -> list[Any]:
        return list(dict.get(self, key, ())) if type is None else super().getlist(key, type)

    def __repr__(self) -> str:
        """Without what they say: a secret may be among them."""
        return f"<{type(self).__name__}>"


NOTHING = Values()


class InMemory(Request):
    """Shows nothing of itself: what is sent is personal."""

    parameter_storage_class = Values
    dict_storage_class = Values

    def __repr__(self) -> str:
        """Without its address, whose parameters may be codes and tokens."""
        return f"<request {self.method} {self.url_rule}>"

    @cached_property
    def args(self) -> ImmutableMultiDict[str, str]:
        return Values(pairs(self.query_string.decode())) if self.query_string else NOTHING

    @cached_property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """Werkzeug goes through all headers for the one that holds them."""
        return parse_cookie(self.environ.get("HTTP_COOKIE"), cls=Values)  # type: ignore[return-value]  # cls says it

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return BytesIO()


def current_request() -> Request:
    """The request itself: each look at it through Flask's proxy is three calls of functions."""
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]
    return asked


def pairs(query: str) -> list[tuple[str, str]]:
    """The parameters as `parse_qsl` reads them for Werkzeug, which takes every word apart, quoted or not."""
    found = []
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = (unquote(word.replace("+", " "), errors="werkzeug.url_quote") for word in (name, value))
        found.append((name, value))
    return found
