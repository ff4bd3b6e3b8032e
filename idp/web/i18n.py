"""The language of a page: what the person chose, else what the browser asks for, else French."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Flask, Response, g, redirect, request

from idp.services.bundle import services
from idp.texts import LANGUAGES


def language() -> str:
    """One of fr, de, it, en."""
    chosen = g.get("language") or request.cookies.get("connect_lang", "")
    if chosen in LANGUAGES:
        return str(chosen)
    return request.accept_languages.best_match(LANGUAGES) or "fr"


def text(key: str, **values: object) -> str:
    """The text in the language of this page."""
    return services().texts.get(language(), key, **values)


def install(app: Flask) -> None:
    """`?lang=xx` on any page sets the preference and returns to the same address, with all entries kept."""

    @app.before_request
    def _choose() -> Response | None:
        wanted = request.args.get("lang")
        if request.method != "GET" or wanted not in LANGUAGES or request.url_rule is None:
            return None
        if request.blueprint in {"protocol", "machine"}:
            return None
        rest = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
        response = redirect(request.path + (f"?{urlencode(rest)}" if rest else ""), 303)
        response.set_cookie(
            "connect_lang", wanted, max_age=400 * 24 * 3600, path="/", secure=services().settings.is_https,
            httponly=True, samesite="Lax",
        )  # fmt: skip
        return response  # type: ignore[return-value]

    app.jinja_env.globals["_"] = text
