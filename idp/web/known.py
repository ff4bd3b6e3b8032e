"""What of a request may name a figure or a span: its route as it is declared, and its method if it is one of HTTP's."""

from __future__ import annotations

from flask import Request

NO_ROUTE, OTHER = "none", "other"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def known_route(request: Request) -> str:
    return request.url_rule.rule if request.url_rule else NO_ROUTE


def known_method(request: Request) -> str:
    return request.method if request.method in METHODS else OTHER
