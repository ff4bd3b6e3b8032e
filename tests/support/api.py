"""A fund's own system at the admin API: gets its token as any client does, and believes nothing but the description."""

from __future__ import annotations

import base64
import re
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from idp.api.openapi import document
from idp.api.routes import OPERATIONS
from idp.models.base import db
from idp.services.bundle import Services
from idp.services.permissions import Scope
from tests.support.json_schema import faults
from tests.support.person import ISSUER

DOCUMENT = document(ISSUER, OPERATIONS)
V1 = "/api/v1"
EVERYTHING = tuple(map(str, Scope))


class System:
    """Its answers are each as the description says, or the test fails."""

    def __init__(
        self, web: Flask, services: Services, slug: str | None = "cpx", scopes: tuple[str, ...] = EVERYTHING
    ) -> None:
        self.web = web
        self.client, self.secret = services.api_clients.add("System", scopes, slug)
        db.session.commit()
        self.token = self.ask_token()

    def ask_token(self) -> str:
        proof = base64.b64encode(f"{self.client.client_id}:{self.secret}".encode()).decode()
        answer = self.web.test_client().post(
            "/token", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {proof}"},
            base_url=ISSUER,
        )  # fmt: skip
        return str(answer.get_json()["access_token"])

    def __call__(
        self, method: str, path: str, body: Any = None, *, query: dict[str, Any] | None = None, **headers: str
    ) -> TestResponse:
        """`headers`: If_Match stands for If-Match."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.web.test_client().open(
            V1 + path, method=method, json=body, query_string=query, base_url=ISSUER,
            headers={"Authorization": f"Bearer {self.token}", **sent},
        )  # fmt: skip
        check(method, path, answer)
        return answer


def check(method: str, path: str, answer: TestResponse) -> None:
    """The status is declared, and the body has the shape that is declared for it."""
    declared = operation(method, path)
    if declared is None or answer.status_code in {304, 405, 500}:
        return
    assert str(answer.status_code) in declared["responses"], (method, path, answer.status_code, answer.get_data())
    content = declared["responses"][str(answer.status_code)].get("content", {})
    if not content or method == "HEAD":
        assert answer.get_data() == b""
        return
    assert answer.mimetype in content, (method, path, answer.mimetype)
    found = list(faults(DOCUMENT, content[answer.mimetype]["schema"], answer.get_json()))
    assert found == [], (method, path)


def operation(method: str, path: str) -> dict[str, Any] | None:
    """What the description says of this method at this address."""
    fitting = [template for template in DOCUMENT["paths"] if _pattern(template).fullmatch(path)]
    exact = max(fitting, key=lambda one: len(re.sub(r"\{\w+\}", "", one)), default=None)
    if exact is None:
        return None
    found: dict[str, Any] | None = DOCUMENT["paths"][exact].get("get" if method == "HEAD" else method.lower())
    return found


def _pattern(template: str) -> re.Pattern[str]:
    """Which addresses a template of the description stands for; a fund's own key may have slashes."""
    parts = [re.escape(part) for part in re.split(r"\{(?:\w+)\}", template)]
    names = re.findall(r"\{(\w+)\}", template)
    filled = [".+" if name == "external_id" else "[^/]+" for name in names]
    return re.compile("".join(part + value for part, value in zip(parts, [*filled, ""], strict=True)))
