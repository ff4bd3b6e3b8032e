"""The description of the API (OpenAPI 3.1.1), made from the operations that check the requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from idp.api.operation import Operation
from idp.services.permissions import Scope
from idp.web.problems import API, MEDIA_TYPE, Kind, type_of

Schema = dict[str, Any]
References = dict[Any, Schema]  # model and mode → where its schema stands
ALWAYS = (Kind.MALFORMED, Kind.UNAUTHORIZED, Kind.INSUFFICIENT_SCOPE, Kind.TOO_MANY_REQUESTS)
WITH_BODY = (Kind.TOO_LARGE, Kind.UNSUPPORTED_MEDIA_TYPE, Kind.INVALID)
WITH_KEY = (Kind.IN_PROGRESS, Kind.KEY_REUSED)
VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
PROBLEM: Schema = {
    "type": "object",
    "description": "What is wrong (RFC 9457). `errors`: where, as JSON pointers into the body or names of the query.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["pointer", "detail"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["type", "title", "status"],
    "additionalProperties": False,
}
LICENSE = {"name": "Apache 2.0", "identifier": "Apache-2.0"}
WORDS = {
    Scope.PERSONS_READ: "read persons", Scope.PERSONS_WRITE: "store persons", Scope.CODES_READ: "see codes' states",
    Scope.CODES_WRITE: "order and void letters", Scope.PORTALS_READ: "read portals",
    Scope.PORTALS_WRITE: "change portals", Scope.AUDIT_READ: "read the record of events",
}  # fmt: skip


def document(issuer: str, operations: Sequence[Operation]) -> Schema:
    """The whole document for an installation."""
    schemas, references = _schemas(operations)
    paths: dict[str, Schema] = {}
    for one in operations:
        paths.setdefault(VARIABLE.sub(r"{\1}", one.path), {})[one.method.lower()] = _operation(one, references)
    return {
        "openapi": "3.1.1",
        "info": {"title": "Connect admin API", "version": "1", "license": LICENSE},
        "servers": [{"url": f"{issuer}{API}"}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": PROBLEM},
            "securitySchemes": {"client": _security(issuer)},
            "x-problems": {
                kind.slug: {"type": type_of(issuer, kind), "status": kind.status, "title": kind.title} for kind in Kind
            },
        },
    }  # fmt: skip


def _schemas(operations: Sequence[Operation]) -> tuple[Schema, References]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for one in operations:
        wanted += [(one.body, "validation")] if one.body else []
        wanted += [(one.answer, "serialization")] if one.answer else []
    references, found = models_json_schema(list(dict.fromkeys(wanted)), ref_template="#/components/schemas/{model}")
    return found["$defs"], references


def _operation(one: Operation, references: References) -> Schema:
    said: Schema = {
        "operationId": one.name,
        "summary": one.summary,
        "security": [{"client": [str(one.scope)]}],
        "parameters": [*_path_parameters(one), *_query_parameters(one), *_header_parameters(one)],
        "responses": _responses(one, references),
    }
    if one.body is not None:
        said["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": references[one.body, "validation"]}},
        }
    return said


def _path_parameters(one: Operation) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in VARIABLE.findall(one.path)
    ]


def _query_parameters(one: Operation) -> list[Schema]:
    properties = one.query.model_json_schema().get("properties", {})
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in properties.items()]


def _header_parameters(one: Operation) -> list[Schema]:
    found = []
    if one.takes_key:
        found.append(_header("Idempotency-Key", "the same key does the same request once, within 24 hours"))
    if Kind.PRECONDITION_FAILED in one.may:
        found.append(_header("If-Match", "the ETag of what was read before", is_needed=one.needs_match))
        found.append(_header("If-None-Match", "`*`: only where there is nothing yet"))
    return found


def _header(name: str, description: str, *, is_needed: bool = False) -> Schema:
    return {
        "name": name, "in": "header", "required": is_needed, "description": description, "schema": {"type": "string"},
    }  # fmt: skip


def _responses(one: Operation, references: References) -> Schema:
    good: Schema = {"description": one.summary}
    if one.answer is not None:
        good["content"] = {"application/json": {"schema": references[one.answer, "serialization"]}}
    kinds = [*ALWAYS, *one.may, *(WITH_BODY if one.body else ()), *(WITH_KEY if one.takes_key else ())]
    kinds += [Kind.NOT_FOUND] if "<" in one.path else []
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.status, []).append(kind.title)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    statuses = {str(one.status): good}
    if one.method == "PUT" and one.status == 200 and "external_id" in one.path:
        statuses["201"] = good
    wrong = {str(status): {"description": "; ".join(words), "content": content} for status, words in titles.items()}
    return statuses | dict(sorted(wrong.items()))


def _security(issuer: str) -> Schema:
    scopes = {str(scope): words for scope, words in WORDS.items()}
    flow = {"tokenUrl": f"{issuer}/token", "scopes": scopes}
    return {"type": "oauth2", "flows": {"clientCredentials": flow}}
