"""Making a portal, and changing it section by section: judged by the service that the command line uses too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose
from idp.admin.portal_access import at_portal
from idp.admin.portal_faults import OTHER, errors_of
from idp.admin.portal_forms import (
    MODEL,
    NEW,
    SECTIONS,
    Kind,
    Section,
    changes,
    entries_of,
    kind_of,
    may_be_empty,
    options_of,
    read,
    shown,
    state_of,
)
from idp.errors import BadInput
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.services.portals import fields_of
from idp.texts import LANGUAGE_NAMES
from idp.web import kept
from idp.web.forms import FormView
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_portal_edit", __name__)
CREATE = "/admin/new-portal"
LONGEST_ENTRY = 20_000
BY_NAME = {section.name: section for section in SECTIONS}


@dataclass(frozen=True, repr=False)
class FieldView:
    """`options`: entry, value and words of each choice, or of each language."""

    name: str
    kind: Kind
    label: str
    hint: str
    options: tuple[tuple[str, str, str], ...]
    may_be_empty: bool

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        return tuple((value, words) for _, value, words in self.options)


@dataclass(frozen=True, repr=False)
class EditView:
    """`state`: what the section was when it was shown; `button`: what its button says."""

    fields: tuple[FieldView, ...]
    state: str
    button: str
    note: str = ""


@dataclass(frozen=True, repr=False)
class SecretView:
    """`secret` is empty where the portal proves itself with its keys."""

    client_id: str
    secret: str
    back: str


@blueprint.get(CREATE)
@requires(Permission.CREATE_PORTAL, everywhere=True)
def create() -> Response:
    form = kept.find(whose()) or FormView(shown(defaults_of(NEW), NEW))
    view = EditView(fields_view(NEW), "", text("por.create"), text("por.create.note"))
    return console("admin/portal_edit.html", text("por.create"), view, needs=Permission.CREATE_PORTAL, form=form,
                   back="/admin/portals")  # fmt: skip


@blueprint.post(CREATE)
@requires(Permission.CREATE_PORTAL, everywhere=True)
def add() -> Response:
    """The secret is in this answer and nowhere else: no address holds it and no reload brings it back."""
    typed = typed_entries(NEW)
    values, faults = read(typed, NEW)
    said = {name: value for name, value in values.items() if value is not None and value != ""}
    try:
        portal, secret = services().portals.add(said)
    except BadInput as error:
        return kept.lead(CREATE, whose(), typed, errors_of("\n".join([*faults, error.message]), NEW))
    return secret_page(portal, secret or "", Permission.CREATE_PORTAL)


@at_portal(Permission.CHANGE_PORTAL)
def edit(portal: Portal, section: str) -> Response:
    return _show(portal, BY_NAME[section])


@at_portal(Permission.CHANGE_PORTAL)
def save(portal: Portal, section: str) -> Response:
    return _save(portal, BY_NAME[section])


for _section in SECTIONS:
    if _section.permission is Permission.CHANGE_PORTAL:
        _address, _of = f"/admin/portals/<slug>/{_section.name}", {"section": _section.name}
        blueprint.add_url_rule(_address, f"edit_{_section.name}", edit, methods=["GET"], defaults=_of)
        blueprint.add_url_rule(_address, f"save_{_section.name}", save, methods=["POST"], defaults=_of)


@blueprint.get("/admin/portals/<slug>/trust")
@at_portal(Permission.TRUST_PORTAL, everywhere=True)
def edit_trust(portal: Portal) -> Response:
    return _show(portal, BY_NAME["trust"])


@blueprint.post("/admin/portals/<slug>/trust")
@at_portal(Permission.TRUST_PORTAL, everywhere=True)
def save_trust(portal: Portal) -> Response:
    return _save(portal, BY_NAME["trust"])


def _show(portal: Portal, one: Section) -> Response:
    """One section of a portal, with what is stored or what was typed and refused."""
    stored = shown(fields_of(portal), one.fields)
    form = kept.find(whose()) or FormView(stored)
    view = EditView(fields_view(one.fields), state_of(stored), text("c.save"))
    title = text("por.section", section=text(f"por.s.{one.name}"), portal=portal.slug)
    return console("admin/portal_edit.html", title, view, needs=one.permission, form=form, back=home(portal))


def _save(portal: Portal, one: Section) -> Response:
    """Store what differs; who saves over somebody else's change is told of it first."""
    slug, typed, stored = portal.slug, typed_entries(one.fields), fields_of(portal)
    if request.form.get("state") != state_of(shown(stored, one.fields)):
        return kept.lead(request.path, whose(), typed, {OTHER: Wrong("por.e.changed")})
    values, faults = read(typed, one.fields)
    wanted = changes(values, stored)
    try:
        if faults:
            raise BadInput("\n".join(faults))
        secret = services().portals.update(slug, wanted)[1] if wanted else None
    except BadInput as error:
        return kept.lead(request.path, whose(), typed, errors_of(error.message, one.fields))
    if secret:
        return secret_page(portal, secret, one.permission)
    return redirect(f"{home(portal)}?done=saved", 303)


def secret_page(portal: Portal, secret: str, needs: Permission) -> Response:
    """The answer to a POST itself: what it shows is in no address, and nowhere to be asked for again."""
    view = SecretView(portal.client_id, secret, home(portal))
    return console("admin/portal_secret.html", text("por.secret.title"), view, needs=needs, can_switch=False)


def home(portal: Portal) -> str:
    return f"/admin/portals/{portal.slug}"


def defaults_of(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: MODEL[name].get_default(call_default_factory=True) for name in names if not MODEL[name].is_required()}


def typed_entries(names: tuple[str, ...]) -> dict[str, str]:
    return {entry: request.form.get(entry, "")[:LONGEST_ENTRY] for entry in entries_of(names)}


def fields_view(names: tuple[str, ...]) -> tuple[FieldView, ...]:
    known = services().texts.catalogues["fr"]
    return tuple(_field_view(name, known) for name in names)


def _field_view(name: str, known: Mapping[str, Any]) -> FieldView:
    """In words where there are some; a field that only developers know stands there by its own name."""
    label = text(f"por.f.{name}") if f"por.f.{name}" in known else Markup('<code lang="en">{}</code>').format(name)
    hint = text(f"por.h.{name}") if f"por.h.{name}" in known else ""
    if kind_of(name) is Kind.WORDS:
        options = tuple((f"{name}_{language}", language, words) for language, words in LANGUAGE_NAMES.items())
    else:
        options = tuple(
            (f"{name}_{at}", value, text(key) if (key := f"por.o.{name}.{value}") in known else value)
            for at, value in enumerate(options_of(name))
        )
    return FieldView(name, kind_of(name), label, hint, options, may_be_empty(name))
