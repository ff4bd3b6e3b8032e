"""Errors of the admin API as problem details (RFC 9457): one closed list of what can be wrong.

Words of our own only; nothing of a request stands in an answer but the places in its body that are wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum

from flask import Response, request

from idp.services.bundle import services

API = "/api/v1"
MEDIA_TYPE = "application/problem+json"


class Kind(Enum):
    """The last part of the `type`, the status, and the title."""

    MALFORMED = ("malformed-request", 400, "The request cannot be read")
    UNAUTHORIZED = ("unauthorized", 401, "An access token for this API is needed")
    INSUFFICIENT_SCOPE = ("insufficient-scope", 403, "The token lacks a scope")
    NOT_FOUND = ("not-found", 404, "There is no such thing, or it is not yours")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "This address does not know the method")
    CONFLICT = ("conflict", 409, "This cannot be done as things stand")
    IN_PROGRESS = ("request-in-progress", 409, "The first request with this Idempotency-Key is not answered yet")
    PRECONDITION_FAILED = ("precondition-failed", 412, "It was changed since it was read")
    TOO_LARGE = ("too-large", 413, "The body is too large")
    URI_TOO_LONG = ("uri-too-long", 414, "The address is too long")
    UNSUPPORTED_MEDIA_TYPE = ("unsupported-media-type", 415, "The body must be JSON")
    MISDIRECTED = ("misdirected", 421, "This host does not serve the API")
    INVALID = ("invalid", 422, "Values are wrong")
    KEY_REUSED = ("idempotency-key-reused", 422, "The Idempotency-Key was used for another request")
    PRECONDITION_REQUIRED = ("precondition-required", 428, "If-Match is needed")
    TOO_MANY_REQUESTS = ("too-many-requests", 429, "Too many requests; try again later")
    SERVER_ERROR = ("server-error", 500, "Something of ours is broken")
    UNAVAILABLE = ("unavailable", 503, "Not available now; try again soon")

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.slug = slug
        self.status = status
        self.title = title


BY_STATUS = {kind.status: kind for kind in reversed(Kind)}  # the first of each status


class Problem(Exception):
    """An answer of the API that says what is wrong. `errors`: JSON pointer into the body (RFC 6901), and what is wrong
    there; a name of the query stands without a slash."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.slug)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


def type_of(issuer: str, kind: Kind) -> str:
    """An address that can be read: the place in the API's description where the kinds stand."""
    return f"{issuer}{API}/openapi.json#/components/x-problems/{kind.slug}"


def answer(problem: Problem) -> Response:
    kind = problem.kind
    body: dict[str, object] = {
        "type": type_of(services().settings.issuer, kind), "title": kind.title, "status": kind.status,
    }  # fmt: skip
    if problem.detail:
        body["detail"] = problem.detail
    if problem.errors:
        body["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in problem.errors]
    response = Response(json.dumps(body), kind.status, content_type=MEDIA_TYPE)
    response.headers.update(problem.headers)
    return response


def is_api() -> bool:
    """Whether this request is for the API, also where no view was reached."""
    return request.path == API or request.path.startswith(f"{API}/")
