"""The description of the API: well-formed OpenAPI 3.1, whole, served without a token, and the file in docs is fresh."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from docs import openapi
from idp.api.routes import OPERATIONS
from idp.services.permissions import SCOPES, Permission, Scope
from idp.web.problems import Kind
from tests.support.api import DOCUMENT
from tests.support.json_schema import KEYWORDS, NOTES, resolved
from tests.support.person import ISSUER

METHODS = {"get", "put", "post", "patch", "delete"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, said in methods.items():
            yield path, method, said


def nested(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nested(one)


@pytest.mark.no_database
def test_the_file_in_docs_is_fresh() -> None:
    text = openapi.FILE.read_text(encoding="utf-8")
    assert text == openapi.written(), "renew it: .venv/bin/python -m docs.openapi"


@pytest.mark.no_database
def test_the_document_is_openapi() -> None:
    """OpenAPI 3.1.1 §4.8: the members that must be there, and those that may."""
    assert DOCUMENT["openapi"] == "3.1.1"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert set(DOCUMENT) == {"openapi", "info", "servers", "paths", "components"}
    assert set(DOCUMENT["components"]) == {"schemas", "securitySchemes", "x-problems"}
    names = [said["operationId"] for _, _, said in operations()]
    assert len(names) == len(set(names)) == len(OPERATIONS)
    for path, method, said in operations():
        assert path.startswith("/")
        assert method in METHODS
        assert set(said) <= {"operationId", "summary", "security", "parameters", "requestBody", "responses"}
        in_path = {one["name"] for one in said["parameters"] if one["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        places = [(one["in"], one["name"].lower()) for one in said["parameters"]]
        assert len(places) == len(set(places))
        assert all(re.fullmatch(r"[2345]\d\d", status) for status in said["responses"])
        assert all(one["description"] for one in said["responses"].values())


@pytest.mark.no_database
def test_every_schema_is_one_that_the_tests_can_judge_and_every_reference_leads_somewhere() -> None:
    for schema in nested(DOCUMENT["components"]["schemas"]):
        if "$ref" in schema:
            assert resolved(DOCUMENT, schema["$ref"])
        if isinstance(schema.get("type"), str):
            assert set(schema) <= set(KEYWORDS) | NOTES
    for said in nested(DOCUMENT["paths"]):
        if "$ref" in said:
            assert resolved(DOCUMENT, said["$ref"])


@pytest.mark.no_database
def test_scopes_and_permissions_are_one_table() -> None:
    assert set(SCOPES) == set(Scope) == {one.scope for one in OPERATIONS}
    assert set(DOCUMENT["components"]["securitySchemes"]["client"]["flows"]["clientCredentials"]["scopes"]) == set(
        Scope
    )
    assert len(set(SCOPES.values())) == len(SCOPES), "one scope opens what another stands for"
    for_persons = {Permission.CHANGE_OPERATORS, Permission.CHANGE_API_CLIENTS, Permission.ROTATE_KEYS}
    assert not for_persons & set(SCOPES.values()), "a machine makes no machines, operators or keys"


@pytest.mark.sqlite_only
def test_it_is_served_to_everybody(web: Flask) -> None:
    answer = web.test_client().get("/api/v1/openapi.json", base_url=ISSUER)
    assert answer.get_json() == DOCUMENT
    kinds = answer.get_json()["components"]["x-problems"]
    assert set(kinds) == {kind.slug for kind in Kind}
