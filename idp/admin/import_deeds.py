"""Leading an import on: confirmed, cancelled or undone on a page that says what will happen; paused and resumed."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.import_words import number
from idp.admin.imports import IMPORT, LIST, PAGE, load
from idp.admin.portal_state import ConfirmView
from idp.models.person_import import CHECKED, CHECKING, PAUSED, RUNNING, UPLOADED
from idp.services.bundle import services
from idp.web import kept
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_import_deeds", __name__)


@dataclass(frozen=True, repr=False)
class StartView:
    """`good_only`: what is ticked where some rows are wrong; empty where none is."""

    effect: str
    left: str
    good_only: str


@blueprint.get(f"{PAGE}/start")
@requires(IMPORT)
def ask_start(import_id: UUID) -> Response:
    row, portal = load(import_id)
    if row.state != CHECKED:
        return _back(row.id)
    named = {"new": number(row.new), "changed": number(row.changed), "portal": portal.name(language())}
    view = StartView(
        effect=text("imp.start.effect", **named),
        left=text("imp.start.left", n=number(row.left_out)) if row.left_out else "",
        good_only=text("imp.start.good", n=number(row.errors)) if row.errors else "",
    )
    form = kept.find(whose()) or FormView()
    title = text("imp.start.title")
    return console("admin/import_start.html", title, view, needs=IMPORT, form=form, back=f"{LIST}/{row.id}")


@blueprint.post(f"{PAGE}/start")
@requires(IMPORT)
def start(import_id: UUID) -> Response:
    row, _ = load(import_id)
    good_only = bool(request.form.get("good_only"))
    if row.state == CHECKED and row.errors and not good_only:
        return kept.lead(request.path, whose(), {}, {"good_only": Wrong("imp.wrong.good")})
    services().import_jobs.confirm(row, worker().account.id, good_only=good_only)
    return _back(row.id)


@blueprint.post(f"{PAGE}/pause")
@requires(IMPORT)
def pause(import_id: UUID) -> Response:
    row, _ = load(import_id)
    services().import_jobs.pause(row)
    return _back(row.id)


@blueprint.post(f"{PAGE}/resume")
@requires(IMPORT)
def resume(import_id: UUID) -> Response:
    row, _ = load(import_id)
    services().import_jobs.resume(row)
    return _back(row.id)


@blueprint.get(f"{PAGE}/cancel")
@requires(IMPORT)
def ask_cancel(import_id: UUID) -> Response:
    row, _ = load(import_id)
    if row.state not in {UPLOADED, CHECKING, CHECKED, RUNNING, PAUSED}:
        return _back(row.id)
    effect = text("imp.cancel.some" if row.state in {RUNNING, PAUSED} else "imp.cancel.none", file=row.file_name)
    return _confirm(row.id, text("imp.cancel"), ConfirmView(effect, text("imp.cancel")))


@blueprint.post(f"{PAGE}/cancel")
@requires(IMPORT)
def cancel(import_id: UUID) -> Response:
    row, _ = load(import_id)
    services().import_jobs.cancel(row)
    return _back(row.id)


@blueprint.get(f"{PAGE}/undo")
@requires(IMPORT)
def ask_undo(import_id: UUID) -> Response:
    row, portal = load(import_id)
    if not services().import_jobs.may_undo(row):
        return _back(row.id)
    named = {"new": number(row.new), "changed": number(row.changed), "portal": portal.name(language())}
    return _confirm(row.id, text("imp.undo"), ConfirmView(text("imp.undo.effect", **named), text("imp.undo")))


@blueprint.post(f"{PAGE}/undo")
@requires(IMPORT)
def undo(import_id: UUID) -> Response:
    row, _ = load(import_id)
    services().import_jobs.undo(row)
    return _back(row.id)


def _confirm(import_id: UUID, title: str, view: ConfirmView) -> Response:
    return console("admin/confirm.html", title, view, needs=IMPORT, form=FormView(), back=f"{LIST}/{import_id}")


def _back(import_id: UUID) -> Response:
    return redirect(f"{LIST}/{import_id}", 303)
