"""Sending a file of persons, and saying what its columns hold; checked by the worker afterwards, never in a request."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.import_words import field_name
from idp.admin.imports import IMPORT, LIST, PAGE, covered, load
from idp.errors import BadInput
from idp.models.base import db
from idp.models.person_import import CHECKED, UPLOADED
from idp.services.bundle import services
from idp.services.person_columns import missing
from idp.services.person_rows import COLUMNS, BadTable
from idp.texts import LANGUAGES
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.guard import LARGEST_BODY, large_body
from idp.web.i18n import language, text
from idp.web.kept import Wrong
from idp.web.operator import current_operator

blueprint = Blueprint("admin_import_upload", __name__)
NEW = "/admin/new-import"
LONGEST_EXAMPLE = 60
OTHER = "other"


@dataclass(frozen=True, repr=False)
class UploadView:
    portals: tuple[tuple[str, str], ...]
    most: int


@dataclass(frozen=True, repr=False)
class ColumnsView:
    """`columns`: entry, name and first cell of each; `fields` are the choices."""

    columns: tuple[tuple[str, str, str], ...]
    fields: tuple[tuple[str, str], ...]


def largest() -> int:
    """How much this browser may send: a file, where somebody works in it who may import."""
    at_work = current_operator()
    may = at_work is not None and at_work.rights.may_somewhere(IMPORT)
    return services().import_jobs.largest + LARGEST_BODY if may else LARGEST_BODY


@blueprint.get(NEW)
@requires(IMPORT)
def ask() -> Response:
    portals = [one for one in covered().values() if not one.is_disabled]
    view = UploadView(
        tuple((one.slug, one.name(language())) for one in portals), services().import_jobs.largest // 1024 // 1024
    )
    form = kept.find(whose()) or FormView({"portal": portals[0].slug} if len(portals) == 1 else {})
    return console("admin/import_new.html", text("imp.new"), view, needs=IMPORT, form=form, back=LIST)


@blueprint.post(NEW)
@large_body(largest)
@requires(IMPORT)
def upload() -> Response:
    slug, file = line(request.form.get("portal")), request.files.get("file")
    portal = next((one for one in covered().values() if one.slug == slug and not one.is_disabled), None)
    content = file.read() if file else b""
    errors = {} if portal else {"portal": Wrong("imp.wrong.portal")}
    if not content:
        errors["file"] = Wrong("imp.wrong.file")
    if portal is None or errors:
        return kept.lead(NEW, whose(), {"portal": slug}, errors)
    name = line(file.filename if file else "") or "–"
    try:
        row = services().import_jobs.receive(portal, name, content, "console", worker().account.id)
    except BadTable as error:
        db.session.rollback()
        return kept.lead(NEW, whose(), {"portal": slug}, {"file": Wrong(f"imp.f.{error.kind}", error.named)})
    return redirect(f"{LIST}/{row.id}/columns", 303)


@blueprint.get(f"{PAGE}/columns")
@requires(IMPORT)
def columns(import_id: UUID) -> Response:
    row, _ = load(import_id)
    if row.state not in {UPLOADED, CHECKED}:
        return redirect(f"{LIST}/{row.id}", 303)
    found = services().import_jobs.columns(row)
    view = ColumnsView(
        columns=tuple(
            (f"c{at}", heading[:LONGEST_EXAMPLE] or text("imp.column", n=at + 1), found.example[at][:LONGEST_EXAMPLE])
            for at, heading in enumerate(found.headings)
        ),
        fields=tuple((name, field_name(name)) for name in COLUMNS),
    )
    form = kept.find(whose()) or FormView({f"c{at}": name for at, name in enumerate(found.proposed)})
    return console("admin/import_columns.html", text("imp.columns"), view, needs=IMPORT, form=form, back=LIST)


@blueprint.post(f"{PAGE}/columns")
@requires(IMPORT)
def choose(import_id: UUID) -> Response:
    row, _ = load(import_id)
    jobs = services().import_jobs
    entries = [f"c{at}" for at in range(len(jobs.columns(row).headings))]
    chosen = {name: line(request.form.get(name)) for name in entries}
    fields = [one if one in COLUMNS else "" for one in chosen.values()]
    try:
        jobs.choose_columns(row, fields)
    except BadInput as error:
        lacks = missing(fields)
        key = "imp.wrong.missing" if lacks else "imp.wrong.doubled"
        wrong = Wrong(key, {"fields": _names(lacks or error.message.splitlines())})
        return kept.lead(request.path, whose(), chosen, {OTHER: wrong})
    return redirect(f"{LIST}/{row.id}", 303)


def _names(fields: list[str]) -> dict[str, str]:
    """In each language, for the error is shown in the one that is read then."""
    texts = services().texts
    return {spoken: ", ".join(texts.get(spoken, f"imp.field.{name}") for name in fields) for spoken in LANGUAGES}
