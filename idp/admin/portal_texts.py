"""What a portal says in its own words, language by language, with a preview of what persons will read."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, whose
from idp.admin.portal_access import at_portal
from idp.admin.portal_edit import home
from idp.admin.portal_faults import OTHER
from idp.admin.portal_forms import state_of
from idp.errors import BadInput
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.outbox import BOLD
from idp.services.permissions import Permission
from idp.services.portal_texts import KEYS, faults_of
from idp.texts import LANGUAGE_NAMES, Texts
from idp.web import kept
from idp.web.forms import FormView
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_portal_texts", __name__)
CHANGE = Permission.CHANGE_PORTAL
LONGEST_ENTRY = 2_000


@dataclass(frozen=True, repr=False)
class TextView:
    """`lines`: what persons will read, with examples in the places that are filled in."""

    entry: str
    label: str
    hint: str
    lines: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class TextsView:
    texts: tuple[TextView, ...]
    language: str
    languages: tuple[tuple[str, str], ...]
    state: str


def entry_of(key: str) -> str:
    return key.replace(".", "_")


@at_portal(CHANGE)
def show(portal: Portal, spoken: str) -> Response:
    stored = _stored(portal, spoken)
    form = kept.find(whose()) or FormView(stored)
    own = {key: typed for key in KEYS if (typed := form.values.get(entry_of(key), "").strip())}
    said = Texts.load().of({spoken: own})
    view = TextsView(
        texts=tuple(_view(said, key, portal, spoken) for key in KEYS),
        language=spoken,
        languages=tuple(LANGUAGE_NAMES.items()),
        state=state_of(stored),
    )
    title = text("por.section", section=text("por.s.texts"), portal=portal.slug)
    return console("admin/portal_texts.html", title, view, needs=CHANGE, form=form, back=home(portal))


@at_portal(CHANGE)
def save(portal: Portal, spoken: str) -> Response:
    typed = {entry_of(key): _typed(entry_of(key)) for key in KEYS}
    own = {key: typed[entry_of(key)].strip() for key in KEYS if typed[entry_of(key)].strip()}
    errors = {
        entry_of(fault.key): Wrong(f"por.e.text.{fault.kind}", {"needed": fault.needed})
        for fault in faults_of({spoken: own})
    }
    if request.form.get("do") != "preview" and request.form.get("state") != state_of(_stored(portal, spoken)):
        errors = {OTHER: Wrong("por.e.changed")} | errors
    if errors or request.form.get("do") == "preview":
        return kept.lead(request.path, whose(), typed, errors)
    texts = {**(portal.texts or {}), spoken: own}
    try:
        services().portals.update(portal.slug, {"texts": {name: one for name, one in texts.items() if one} or None})
    except BadInput as error:
        return kept.lead(request.path, whose(), typed, {OTHER: Wrong("por.e.other", code=error.message)})
    return redirect(f"{home(portal)}?done=saved", 303)


for _language in LANGUAGE_NAMES:
    _address, _of = f"/admin/portals/<slug>/texts-{_language}", {"spoken": _language}
    blueprint.add_url_rule(_address, f"show_{_language}", show, methods=["GET"], defaults=_of)
    blueprint.add_url_rule(_address, f"save_{_language}", save, methods=["POST"], defaults=_of)


def _view(said: Texts, key: str, portal: Portal, spoken: str) -> TextView:
    usual = text("por.text.usual", text=said.catalogues[spoken][key])
    lines = BOLD.sub(r"\1", said.get(spoken, key, **_examples(portal, spoken))).split("\n")
    return TextView(entry_of(key), text(f"por.t.{entry_of(key)}"), usual, tuple(lines))


def _typed(entry: str) -> str:
    return request.form.get(entry, "").replace("\r\n", "\n")[:LONGEST_ENTRY]


def _stored(portal: Portal, spoken: str) -> dict[str, str]:
    own = (portal.texts or {}).get(spoken, {})
    return {entry_of(key): own.get(key, "") for key in KEYS}


def _examples(portal: Portal, spoken: str) -> dict[str, str]:
    """What stands in the places of a text in the preview; nobody's data."""
    return {
        "portal": portal.name(spoken), "phone": portal.phone, "email": "helene@example.ch", "code": "123456",
        "time": "14:30", "url": f"{services().settings.issuer}/{portal.slug}/login",
    }  # fmt: skip
