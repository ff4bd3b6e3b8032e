"""A call with one person: what they have on the screen, the code on its way sent once more, and notes (ux.md §9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.audit import actor_names
from idp.admin.entrance import console, requires, whose, worker
from idp.admin.person import HELP, PAGE, load, title
from idp.admin.persons import LIST
from idp.admin.screens import Preview, preview
from idp.models.account import Account
from idp.models.person import InsuredPerson
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.calls import LONGEST
from idp.services.challenges import Stopped
from idp.texts import format_moment
from idp.web import kept
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_call", __name__)


@dataclass(frozen=True, repr=False)
class CallView:
    """`resend` is the channel of a code that can be sent anew, in words; empty where none is on its way."""

    person: str
    address: str
    preview: Preview | None
    resend: str
    refusal: str
    notes: tuple[tuple[str, str, str], ...]


@blueprint.get(f"{PAGE}/call")
@requires(HELP)
def call(person_id: UUID) -> Response:
    """Every look at it is recorded: the notes are about the person."""
    found, account = load(person_id, HELP)
    bundle = services()
    bundle.audit.record(AuditTag.NOTES_READ, person=found.id, account=found.account_id, portal=found.portal_id)
    errand = bundle.calls.errand(found, account)
    notes = bundle.calls.notes(found)
    names = actor_names({note.written_by for note, _ in notes})
    view = CallView(
        person=f"{title(found, account)} – {found.portal.name(language())}",
        address=f"{LIST}/{found.id}",
        preview=_preview(found, account),
        resend=text(f"msg.{'mail' if errand.kind == 'email' else 'sms'}") if errand else "",
        refusal=text("per.e.self") if account is not None and account.id == worker().account.id else "",
        notes=tuple((names.get(one.written_by, "–"), format_moment(one.written_at), said) for one, said in notes),
    )
    done = {"sent": "call.sent", "wait": "call.wait", "stopped": "e.sms.stopped", "noted": "c.saved"}
    key = done.get(request.args.get("done", ""))
    form = kept.find(whose()) or FormView()
    return console("admin/call.html", text("call.title"), view, needs=HELP, form=form, back=f"{LIST}/{found.id}",
                   status=text(key) if key else None)  # fmt: skip


@blueprint.post(f"{PAGE}/call/resend")
@requires(HELP)
def resend(person_id: UUID) -> Response:
    """To where this walk sent one before, and nowhere else; nobody helps themselves."""
    found, account = load(person_id, HELP)
    bundle, path = services(), f"{LIST}/{found.id}/call"
    errand = bundle.calls.errand(found, account)
    if errand is None or (account is not None and account.id == worker().account.id):
        return redirect(path, 303)
    refused = bundle.calls.resend(found, errand)
    done = "sent" if refused is None else "stopped" if isinstance(refused, Stopped) else "wait"
    return redirect(f"{path}?done={done}", 303)


@blueprint.post(f"{PAGE}/call/note")
@requires(HELP)
def note(person_id: UUID) -> Response:
    found, _ = load(person_id, HELP)
    path, written = f"{LIST}/{found.id}/call", request.form.get("note", "").strip()
    if not written or len(written) > LONGEST:
        return kept.lead(path, whose(), {"note": written[:LONGEST]}, {"note": Wrong("call.e.note")})
    services().calls.note(found, worker().account.id, written)
    return redirect(f"{path}?done=noted", 303)


def _preview(found: InsuredPerson, account: Account | None) -> Preview | None:
    """Of a walk at this record's portal."""
    bundle = services()
    run = bundle.dossiers.run(found, account, [found.portal_id])
    waits = bundle.dossiers.waits(found, account, [found.portal_id])
    if run is None or waits is None:
        return None
    return preview(run, waits.step, found.portal, account.language if account else found.language or "fr")
