"""The language of a page: what the person chose, else what the browser asks for, else French."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import quote, urlencode

from flask import Flask, Response, after_this_request, g, redirect, request

from idp.services.bundle import services
from idp.texts import LANGUAGES
from idp.web.browser import cookie_name, set_cookie
from idp.web.in_memory import current_request
from idp.web.session import BLIND


def language() -> str:
    """One of fr, de, it, en."""
    kept = g._get_current_object()  # asked for with every text of a page, where each look through a proxy counts
    chosen: str | None = kept.get("language") or kept.get("accepted")
    if chosen is None:
        asked = current_request()
        remembered = asked.cookies.get(cookie_name("lang"), "")
        is_known = remembered in LANGUAGES
        kept.accepted = chosen = remembered if is_known else asked.accept_languages.best_match(LANGUAGES) or "fr"
    return chosen


def text(key: str, **values: object) -> str:
    """The text in the language of this page, in the words of the portal whose page it is."""
    return services().texts.of(g.get("own_texts")).get(language(), key, **values)


def texts() -> Callable[..., str]:
    """The same for a whole page, whose language and portal are looked for once."""
    return partial(services().texts.of(g.get("own_texts")).get, language())


def prefer(locales: list[str]) -> None:
    """The languages a portal asks for (`ui_locales`); what the person chose on our pages stays."""
    if not locales or request.cookies.get(cookie_name("lang"), "") in LANGUAGES:
        return
    wanted = next((locale[:2].lower() for locale in locales if locale[:2].lower() in LANGUAGES), None)
    if wanted is not None:
        g.language = wanted
        after_this_request(lambda response: _remember(response, wanted))


def choose(wanted: str) -> None:
    """The person's own choice, from the next page on."""
    after_this_request(lambda response: _remember(response, wanted))


def keep_asked() -> None:
    """Remember what a language link said (`?lang=xx`) where it led to no redirect: on the page of an error."""
    wanted = g.get("language")
    if wanted is not None and wanted == request.args.get("lang"):
        after_this_request(lambda response: _remember(response, wanted))


def _remember(response: Response, chosen: str) -> Response:
    set_cookie(response, "lang", chosen, max_age=400 * 24 * 3600)
    return response


def here() -> str:
    """The path of this request as an address of our own: what looks like another host's is quoted or cut."""
    return "/" + quote(request.path.lstrip("/"))


def install(app: Flask) -> None:
    """`?lang=xx` on any page sets the preference and returns to the same address, with all entries kept; the page of an
    error is shown in that language at once.
    """

    @app.before_request
    def _choose() -> Response | None:
        asked = current_request()
        wanted = asked.args.get("lang")
        if wanted not in LANGUAGES or asked.method != "GET" or asked.blueprint in BLIND:
            return None
        if asked.blueprint == "authorize" or asked.url_rule is None:
            g.language = wanted  # a portal's own parameter, or nobody's: it counts if this ends in a page of ours
            return None
        rest = [(name, value) for name, value in asked.args.items(multi=True) if name != "lang"]
        response = redirect(here() + (f"?{urlencode(rest)}" if rest else ""), 303)
        return _remember(response, wanted)  # type: ignore[arg-type]

    app.jinja_env.globals["_"] = text
