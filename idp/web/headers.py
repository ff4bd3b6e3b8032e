"""The security headers of every answer (OWASP ASVS 5.0 §3.4)."""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask, Response, g, request
from werkzeug.datastructures import Headers

from idp.services.bundle import services
from idp.settings import Settings

CACHEABLE = "cacheable"
FOUND = {200, 206, 304}  # a file that is missing now may be there after the next update


def allow_form_targets(origins: tuple[str, ...]) -> None:
    """Origins a form of this page may lead to: Chromium applies form-action to the redirect after the POST."""
    g.form_targets = origins


def policy(form_targets: tuple[str, ...]) -> str:
    forms = " ".join(("'self'", *form_targets))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action {forms}; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    )


def of_every_answer(settings: Settings) -> dict[str, str]:
    """What stands on every answer, unless its view says otherwise of its own."""
    fixed = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",  # with no-referrer, browsers send our own forms as `Origin: null`
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Permissions-Policy": (
            "camera=(), geolocation=(), microphone=(), payment=(), usb=(), otp-credentials=(self), "
            "publickey-credentials-create=(self), publickey-credentials-get=(self)"
        ),
    }
    if settings.is_https:
        fixed["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return fixed


def install(app: Flask) -> None:
    with app.app_context():
        fixed = [(name.lower(), name, value) for name, value in of_every_answer(services().settings).items()]

    @app.after_request
    def _add(response: Response) -> Response:
        headers, kept = response.headers, g._get_current_object()
        said = {name.lower() for name, _ in headers}  # each look into them goes through them all
        _put(headers, said, "Content-Security-Policy", policy(kept.get("form_targets", ())))
        for lowered, name, value in fixed:
            if lowered not in said:
                headers.add(name, value)
        if request.endpoint == "static" and response.status_code in FOUND:
            _put(headers, said, "Cache-Control", "public, max-age=31536000, immutable")
        elif not kept.get(CACHEABLE):
            _put(headers, said, "Cache-Control", "no-store")
        return response


def _put(headers: Headers, said: Collection[str], name: str, value: str) -> None:
    """Whatever a view said under this name, this counts."""
    if name.lower() in said:
        headers.set(name, value)
    else:
        headers.add(name, value)
