"""Turning a template, its frame and its named view into a page."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, g, get_template_attribute, make_response, render_template, request
from markupsafe import Markup, escape

from idp.models.portal import Portal
from idp.places import PACKAGE
from idp.services.bundle import services
from idp.texts import LANGUAGE_NAMES
from idp.web.browser import remember_portal
from idp.web.forms import FormView
from idp.web.headers import allow_form_targets
from idp.web.i18n import here, language, text, texts
from idp.web.session import session_end
from idp.web.theme import logo_address, theme_address

WITH_NOTICE = {"pages", "journeys"}
WARN_FOR = timedelta(minutes=2)  # before a session ends (ux.md §3.4)


class Service(NamedTuple):
    """Whom a person can ask: a portal's service in a language, or ours, which has no slug."""

    phone: str
    email: str
    slug: str = ""
    portal: str = ""
    hours: str = ""


@dataclass(frozen=True, repr=False)
class Frame:
    """What stands around the content of every page (ux.md §3.1); `is_own`: of a change that its owner makes."""

    title: str
    portal: Portal | None = None
    form: FormView | None = None
    step: tuple[int, int] | None = None
    back: str | None = None
    status: str | None = None
    look: str = ""  # how much room the page takes: "wide", or "console"
    is_own: bool = False
    neighbours: tuple[tuple[str, str, str], ...] = ()  # address, label and aria-current of the neighbouring pages
    can_switch: bool = True  # False where no link to the same page could be followed

    @property
    def languages(self) -> list[tuple[str, str, str]]:
        """Code, name and link of each language; the link keeps the rest of the address."""
        if not self.can_switch:
            return []
        kept = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
        path = here() if request.method == "GET" else "/"  # what answers a POST has no address to come back to
        address = f"{path}?{urlencode([*kept, ('lang', '')])}"
        return [(code, name, address + code) for code, name in LANGUAGE_NAMES.items()]


def origins(portal: Portal) -> tuple[str, ...]:
    """The origins a journey of this portal may end at."""
    return _origins(*portal.redirect_uris, portal.home_url, portal.initiate_login_uri or "")


@lru_cache(maxsize=256)
def _origins(*addresses: str) -> tuple[str, ...]:
    parts = [urlsplit(address) for address in addresses]
    return tuple(dict.fromkeys(f"{part.scheme}://{part.netloc}" for part in parts if part.netloc))


def page(template: str, frame: Frame, view: object = None, *, status: int = 200) -> Response:
    """An HTML page; its CSP lets forms lead to this installation and to the portal's registered origins."""
    if frame.portal is not None:
        g.own_texts = frame.portal.texts
        allow_form_targets(origins(frame.portal))
        if frame.form is not None:
            remember_portal(frame.portal.slug)
    settings = services().settings
    ending = session_end() if frame.is_own or request.path.startswith("/account") else None
    html = render_template(
        template,
        page=frame,
        ending=ending,
        warn_for=min(WARN_FOR, settings.session_idle_for / 2),
        view=view,
        language=language(),
        _=texts(),
        settings=settings,
        is_demo=settings.demo_folder is not None,
        notice=_notice(),
    )
    return make_response(html, status, {"Content-Type": "text/html; charset=utf-8", "Vary": "Cookie, Accept-Language"})


def _notice() -> str:
    """The words about coming maintenance, where persons begin and sign in; empty where there are none."""
    notice = services().maintenance.shown() if request.blueprint in WITH_NOTICE else None
    return notice.texts.get(language(), "") if notice is not None else ""


def contact(portal: Portal | None) -> Markup:
    """Whom to ask, as a sentence whose number and address can be touched: the portal's service, else ours."""
    return _contact(_service(portal))


def footer(portal: Portal | None) -> Markup:
    """What stands below every page of this portal."""
    return _footer(language(), _service(portal))


def _service(portal: Portal | None) -> Service:
    if portal is None:
        settings = services().settings
        return Service(settings.support_phone, settings.support_email)
    spoken = language()
    return Service(portal.phone, portal.email, portal.slug, portal.name(spoken), portal.opening_hours(spoken))


@lru_cache(maxsize=256)
def _footer(_language: str, service: Service) -> Markup:
    """Drawn once for all pages: `_language` is that of this page."""
    drawn: Markup = get_template_attribute("parts/footer.html", "footer")(_contact(service), service.slug)
    return drawn


def _contact(service: Service) -> Markup:
    ways = {"phone": _telephone(service.phone), "email": _mailbox(service.email)}
    if service.slug:
        sentence = escape(text("c.contact", portal=service.portal, hours=service.hours)).replace(" ()", "")
        return sentence.replace("{phone}", ways["phone"]).replace("{email}", ways["email"])
    known = Markup(", ").join(way for way in ways.values() if way)
    return escape(text("c.contact.own")).replace("{contact}", known) if known else escape(text("c.contact.letter"))


def _telephone(number: str) -> Markup:
    return Markup('<a href="tel:{}">{}</a>').format("".join(number.split()), number) if number else Markup("")


def _mailbox(address: str) -> Markup:
    return Markup('<a href="mailto:{}">{}</a>').format(address, address) if address else Markup("")


def linked(sentence: str, portal: Portal) -> Markup:
    """The sentence with the portal's telephone and mail address as links."""
    words = escape(sentence).replace(escape(portal.phone), _telephone(portal.phone))
    return words.replace(escape(portal.email), _mailbox(portal.email))


def stressed(sentence: str, part: str) -> Markup:
    """The sentence with this part of it in bold."""
    words = escape(sentence)
    return words.replace(escape(part), Markup("<strong>{}</strong>").format(part)) if part else words


@lru_cache(maxsize=32)
def asset(name: str) -> str:
    """The address of a static file, with its version, so that it may be cached for ever."""
    digest = hashlib.sha256((PACKAGE / "static" / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def act(name: str) -> str:
    """The address of a second button of the step that is shown."""
    return f"{request.path}/do/{name}?{urlencode({'f': request.args.get('f', '')})}"


def install(app: Flask) -> None:
    app.jinja_env.globals.update(
        asset=asset, act=act, footer=footer, linked=linked, stressed=stressed, theme=theme_address, logo=logo_address
    )
    # No template has globals of its own, and Jinja asks its chain of maps for each of them at every import of macros.
    app.jinja_env.make_globals = lambda d: app.jinja_env.globals  # type: ignore[method-assign]
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
