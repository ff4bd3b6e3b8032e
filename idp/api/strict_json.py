"""A body of JSON as RFC 8259 and I-JSON (RFC 7493) have it: read without guessing, or refused with 400."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from flask import Request

from idp.web.problems import Kind, Problem

MEDIA_TYPES = ("application/json", "application/merge-patch+json")
DEEPEST = 12
LARGEST_INTEGER = 2**53  # beyond it, readers of JSON disagree (RFC 7493 §2.2)


def read(request: Request) -> Any:
    """The document. Raises `Problem` 400 or 415, never anything else; the size was judged by the guard."""
    if request.mimetype not in MEDIA_TYPES or request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"Send {MEDIA_TYPES[0]} without Content-Encoding.")
    try:
        text = request.get_data(cache=False).decode("utf-8")
    except UnicodeDecodeError:
        _refuse("The body is not UTF-8.")
    if _depth(text) > DEEPEST:
        _refuse(f"The body is nested deeper than {DEEPEST}.")
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        _refuse(f"The body is not JSON: line {error.lineno}, column {error.colno}.")
    _check_text(document)
    return document


def _refuse(detail: str) -> NoReturn:
    raise Problem(Kind.MALFORMED, detail)


def _depth(text: str) -> int:
    """How deep brackets are nested outside of strings; the reader itself would recurse."""
    depth = deepest = 0
    is_inside = is_escaped = False
    for character in text:
        if is_inside:
            if is_escaped:
                is_escaped = False
            elif character == "\\":
                is_escaped = True
            elif character == '"':
                is_inside = False
        elif character == '"':
            is_inside = True
        elif character in "[{":
            depth += 1
            deepest = max(depth, deepest)
        elif character in "]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse("A member stands twice in one object.")
    return found


def _constant(_name: str) -> NoReturn:
    _refuse("NaN and Infinity are not JSON.")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse("A number is too large.")
    return value


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_INTEGER:
        _refuse("A number is too large.")
    return int(text)


def _check_text(value: Any) -> None:
    """No text has half of a surrogate pair or a NUL: neither can be stored, nor sent on."""
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            _refuse("A text has a NUL or half of a surrogate pair.")
    elif isinstance(value, list):
        for one in value:
            _check_text(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            _check_text(name)
            _check_text(one)
