"""Changing settings, a group at a time: enter, look at what changes and what that means, confirm.

The entries go with the form, sealed, from page to page; nothing is changed before the last button, and then only where
nobody else changed the settings meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.portal_faults import OTHER
from idp.admin.setting_forms import (
    EFFECTS,
    GROUPS,
    FieldView,
    entries_of,
    errors_of,
    field_view,
    said,
    typed_entries,
    wanted,
)
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.services.setting_changes import Change, ChangedMeanwhile, WrongChoices
from idp.web import kept
from idp.web.forms import FormView
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_setting_change", __name__)
CHANGE = Permission.CHANGE_SETTINGS
LIST = "/admin/settings"
LONGEST_VERSION = 9


@dataclass(frozen=True, repr=False)
class GroupView:
    fields: tuple[FieldView, ...]
    version: str


@dataclass(frozen=True, repr=False)
class ChangeView:
    label: str
    before: str
    after: str
    effect: str


@dataclass(frozen=True, repr=False)
class ConfirmView:
    """`entries`: what was typed, to be sent again with the last button."""

    changes: tuple[ChangeView, ...]
    entries: tuple[tuple[str, str], ...]


@requires(CHANGE, everywhere=True)
def show(group: str) -> Response:
    changes = services().setting_changes
    now, chosen = changes.now(), changes.chosen()
    entries = {key: entry for name in GROUPS[group] for key, entry in entries_of(name, getattr(now, name)).items()}
    form = kept.find(whose()) or FormView(entries)
    fields = tuple(
        field_view(name, getattr(changes.environment, name) if name in chosen else None) for name in GROUPS[group]
    )
    view = GroupView(fields, form.values.get("version", str(changes.version())))
    return console("admin/setting_group.html", text(f"set.g.{group}"), view, needs=CHANGE, form=form, back=LIST)


@requires(CHANGE, everywhere=True)
def check(group: str) -> Response:
    """On to what would change; back to the form where something is wrong."""
    typed = typed_entries(group, request.form)
    try:
        changes = services().setting_changes.differences(wanted(group, typed))
    except WrongChoices as error:
        return kept.lead(_form(group), whose(), typed, errors_of(error))
    return kept.lead(f"{_form(group)}/confirm", whose(), typed) if changes else redirect(f"{LIST}?done=nothing", 303)


@requires(CHANGE, everywhere=True)
def look(group: str) -> Response:
    """Before → after, with what it means; a reload or another language shows it again."""
    form = kept.find(whose())
    if form is None:
        return redirect(_form(group), 303)
    try:
        changes = services().setting_changes.differences(wanted(group, form.values))
    except WrongChoices as error:
        return kept.lead(_form(group), whose(), form.values, errors_of(error))
    view = ConfirmView(tuple(_view(change) for change in changes), tuple(form.values.items()))
    title = text("set.confirm", group=text(f"set.g.{group}"))
    return console("admin/setting_confirm.html", title, view, needs=CHANGE, back=_form(group))


@requires(CHANGE, everywhere=True)
def apply(group: str) -> Response:
    typed = typed_entries(group, request.form)
    changes = services().setting_changes
    try:
        done = changes.apply(wanted(group, typed), version_of(typed), worker().account.id)
    except WrongChoices as error:
        return kept.lead(_form(group), whose(), typed, errors_of(error))
    except ChangedMeanwhile:
        newer = {**typed, "version": str(changes.version())}
        return kept.lead(_form(group), whose(), newer, {OTHER: Wrong("set.meanwhile")})
    return redirect(f"{LIST}?done={'saved' if done else 'nothing'}", 303)


for _group in GROUPS:
    for _address, _name, _view_of, _method in (
        ("", "show", show, "GET"), ("", "check", check, "POST"),
        ("/confirm", "look", look, "GET"), ("/confirm", "apply", apply, "POST"),
    ):  # fmt: skip
        blueprint.add_url_rule(
            f"{LIST}/{_group}{_address}", f"{_name}_{_group}", _view_of, methods=[_method], defaults={"group": _group}
        )


def _form(group: str) -> str:
    return f"{LIST}/{group}"


def version_of(typed: Mapping[str, str]) -> int:
    """Of the form; what is none is none that anybody saw."""
    seen = typed.get("version", "")
    return int(seen) if seen.isdecimal() and len(seen) <= LONGEST_VERSION else -1


def _view(change: Change) -> ChangeView:
    after = said(change.name, change.becomes)
    return ChangeView(
        label=text(f"set.n.{change.name}"),
        before=said(change.name, change.was),
        after=text("set.again", value=after) if change.is_put_back else after,
        effect=text(f"set.fx.{EFFECTS[change.name]}"),
    )
