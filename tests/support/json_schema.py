"""A value judged by a JSON Schema (2020-12), as far as the API's own description uses it.

A keyword that is not known here is an error, so that nothing passes because it was not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

Schema = dict[str, Any]
NOTES = {"title", "description", "default", "examples"}
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "null": lambda value: value is None,
}
FORMATS: dict[str, Callable[[str], object]] = {
    "date": date.fromisoformat, "date-time": datetime.fromisoformat, "uuid": UUID,
    "uri": lambda value: re.fullmatch(r"https?://\S+", value) or FORMATS["uuid"](""),
}  # fmt: skip


def faults(document: Schema, schema: Schema, value: Any, place: str = "") -> Iterator[str]:
    """Where the value is not as the schema says; `document` is where its references lead."""
    for keyword, wanted in schema.items():
        if keyword not in NOTES:
            yield from KEYWORDS[keyword](document, schema, wanted, value, place)


def resolved(document: Schema, reference: str) -> Schema:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return]


def _any_of(document: Schema, _: Schema, wanted: list[Schema], value: Any, place: str) -> Iterator[str]:
    if all(any(True for _ in faults(document, one, value, place)) for one in wanted):
        yield f"{place} is none of what it may be"


def _type(_: Schema, __: Schema, wanted: str, value: Any, place: str) -> Iterator[str]:
    if not TYPES[wanted](value):
        yield f"{place} is no {wanted}"


def _properties(document: Schema, _: Schema, wanted: Schema, value: Any, place: str) -> Iterator[str]:
    for name, schema in wanted.items():
        if isinstance(value, dict) and name in value:
            yield from faults(document, schema, value[name], f"{place}/{name}")


def _additional(document: Schema, schema: Schema, wanted: Any, value: Any, place: str) -> Iterator[str]:
    for name in set(value) - set(schema.get("properties", {})) if isinstance(value, dict) else ():
        if wanted is False:
            yield f"{place}/{name} is not known"
        elif wanted is not True:
            yield from faults(document, wanted, value[name], f"{place}/{name}")


def _items(document: Schema, _: Schema, wanted: Schema, value: Any, place: str) -> Iterator[str]:
    for at, one in enumerate(value if isinstance(value, list) else ()):
        yield from faults(document, wanted, one, f"{place}/{at}")


def _names(document: Schema, _: Schema, wanted: Schema, value: Any, place: str) -> Iterator[str]:
    for name in value if isinstance(value, dict) else ():
        yield from faults(document, wanted, name, f"{place}/{name}")


def _format(_: Schema, __: Schema, wanted: str, value: Any, place: str) -> Iterator[str]:
    try:
        if isinstance(value, str):
            FORMATS[wanted](value)
    except ValueError:
        yield f"{place} is no {wanted}"


def _holds(test: Callable[[Any, Any], bool]) -> Callable[..., Iterator[str]]:
    def judge(_: Schema, __: Schema, wanted: Any, value: Any, place: str) -> Iterator[str]:
        if not test(wanted, value):
            yield f"{place} is not as {wanted!r} says"

    return judge


KEYWORDS: dict[str, Callable[..., Iterator[str]]] = {
    "$ref": lambda document, _, wanted, value, place: faults(document, resolved(document, wanted), value, place),
    "anyOf": _any_of,
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "items": _items,
    "format": _format,
    "required": _holds(lambda wanted, value: not isinstance(value, dict) or set(wanted) <= set(value)),
    "enum": _holds(lambda wanted, value: value in wanted),
    "const": _holds(lambda wanted, value: value == wanted),
    "pattern": _holds(lambda wanted, value: not isinstance(value, str) or re.search(wanted, value) is not None),
    "minLength": _holds(lambda wanted, value: not isinstance(value, str) or len(value) >= wanted),
    "maxLength": _holds(lambda wanted, value: not isinstance(value, str) or len(value) <= wanted),
    "minItems": _holds(lambda wanted, value: not isinstance(value, list) or len(value) >= wanted),
    "maxItems": _holds(lambda wanted, value: not isinstance(value, list) or len(value) <= wanted),
    "minimum": _holds(lambda wanted, value: not isinstance(value, int) or value >= wanted),
    "maximum": _holds(lambda wanted, value: not isinstance(value, int) or value <= wanted),
}
