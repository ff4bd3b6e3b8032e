"""The id of a request: the one that the reverse proxy gave it, so that both logs tell of the same, or one of our own.

Taken where a proxy is trusted, and in two shapes alone: a UUID, with or without dashes, in `X-Request-Id`; the id of
the trace in `traceparent` (W3C Trace Context §3.2). What a log holds is never somebody's own words.
"""

from __future__ import annotations

import re

from flask import Request

from idp.settings import Settings

REQUEST_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def of_request(request: Request, settings: Settings) -> str | None:
    """The id that the trusted proxy sent; None where none is trusted, or it sent none that we take."""
    if not settings.trusted_proxies:
        return None
    given = request.headers.get("X-Request-Id", "")
    if REQUEST_ID.fullmatch(given):
        return given
    trace = traceparent(request, settings)
    return trace.split("-")[1] if trace else None


def traceparent(request: Request, settings: Settings) -> str | None:
    """The trace that the trusted proxy began, as it stands in its header."""
    given = request.headers.get("Traceparent", "")
    return given if settings.trusted_proxies and TRACEPARENT.fullmatch(given) else None
