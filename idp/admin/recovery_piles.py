"""One pile of recovery letters: its PDF, and what is done with it on a page each that names the effect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask import Blueprint, abort, make_response, redirect, request
from werkzeug.wrappers import Response

from idp.admin.audit import actor_names
from idp.admin.entrance import console, may_words, requires, whose, worker
from idp.admin.letter_deeds import DeedView
from idp.admin.letters import PRINT, SEE, check_may
from idp.admin.recovery_letters import LIST, pile_name
from idp.clock import swiss
from idp.models.base import db
from idp.models.recovery_print import PrintState, RecoveryPrint, letters_of_print
from idp.services.bundle import services
from idp.services.recovery_prints import PRINTED_WITHIN, PileDeed
from idp.texts import format_date, format_moment
from idp.web import kept
from idp.web.forms import FormView, line, read_date
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_recovery_piles", __name__)
PAGE = f"{LIST}/piles/<uuid:print_id>"


@dataclass(frozen=True, repr=False)
class PileView:
    """`pdf` is its address, or empty; `take_out` are the numbers of letters that were cancelled or used meanwhile;
    `deeds` are address, label and why not.
    """

    facts: tuple[tuple[str, str], ...]
    pdf: str
    print_before: str
    take_out: str
    deeds: tuple[tuple[str, str, str], ...]
    next_deed: tuple[str, str] | None


@blueprint.get(PAGE)
@requires(SEE)
def pile(print_id: UUID) -> Response:
    found = load(print_id)
    deeds = _deeds(found)
    can_take = not _refusal(found, None) and found.state == PrintState.SET
    view = PileView(
        facts=_facts(found),
        pdf=f"{LIST}/piles/{found.id}/letters.pdf" if can_take else "",
        print_before=format_moment(found.made_at + PRINTED_WITHIN) if found.state == PrintState.SET else "",
        take_out=_take_out(found),
        deeds=deeds,
        next_deed=next(((address, label) for address, label, reason in deeds if not reason), None),
    )
    done = request.args.get("done", "")
    status = text(f"rlt.done.{done}") if done in set(PileDeed) else None
    return console("admin/recovery_pile.html", text("rlt.one"), view, needs=SEE, back=LIST, status=status)


@blueprint.get(f"{PAGE}/letters.pdf")
@requires(PRINT)
def pdf(print_id: UUID) -> Response:
    found = load(print_id, is_to_change=True)
    opened = services().recovery_prints.open_pdf(found, worker().account.id)
    if opened is None:
        abort(404)
    name = f'attachment; filename="{found.portal.slug}-recovery.pdf"'
    return make_response(opened, 200, {"Content-Type": "application/pdf", "Content-Disposition": name})


@requires(PRINT)
def ask(print_id: UUID, deed: PileDeed) -> Response:
    """What would be done, to what, and the button; or why not."""
    found = load(print_id, is_to_change=True)
    view = DeedView(
        batch=pile_name(found),
        letters=text("bat.letters", n=found.count),
        effect=text(f"rlt.do.{deed}.text"),
        label=text(f"rlt.do.{deed}"),
        refusal=_refusal(found, deed),
        asks_day=deed is PileDeed.POST,
    )
    form = kept.find(whose()) or FormView({"day": format_date(swiss(services().clock.now()).date())})
    back = f"{LIST}/piles/{found.id}"
    return console("admin/letter_deed.html", view.label, view, needs=PRINT, form=form, back=back)


@requires(PRINT)
def do(print_id: UUID, deed: PileDeed) -> Response:
    """One conditional write judges it anew: whoever was slower reads why it cannot be done any more."""
    found = load(print_id, is_to_change=True)
    here = f"{LIST}/piles/{found.id}/{deed}"
    if _refusal(found, deed):
        return redirect(here, 303)
    day = _typed_day(found) if deed is PileDeed.POST else None
    if deed is PileDeed.POST and day is None:
        return kept.lead(here, whose(), {"day": line(request.form.get("day"))}, {"day": Wrong("bat.e.day")})
    if not _done(deed, found, day):
        return redirect(here, 303)
    home = LIST if deed is PileDeed.DROP else f"{LIST}/piles/{found.id}"
    return redirect(f"{home}?done={deed}", 303)


for _deed in PileDeed:
    _address, _of = f"{PAGE}/{_deed}", {"deed": _deed}
    blueprint.add_url_rule(_address, f"ask_{_deed}", ask, methods=["GET"], defaults=_of)
    blueprint.add_url_rule(_address, f"do_{_deed}", do, methods=["POST"], defaults=_of)


def load(print_id: UUID, *, is_to_change: bool = False) -> RecoveryPrint:
    """404 for a pile of a portal that this operator may not see, as for none."""
    found = db.session.get(RecoveryPrint, print_id)
    if found is None or not worker().rights.may(SEE, found.portal_id):
        abort(404)
    if is_to_change:
        check_may(PRINT, found.portal_id)
    return found


def _done(deed: PileDeed, found: RecoveryPrint, day: date | None) -> bool:
    piles, by = services().recovery_prints, worker().account.id
    if deed is PileDeed.PRINT:
        return piles.confirm_printed(found, by)
    return piles.drop(found, by) if day is None else piles.post(found, by, day)


def _refusal(found: RecoveryPrint, deed: PileDeed | None) -> str:
    """In words, why not."""
    if not worker().rights.may(PRINT, found.portal_id):
        return may_words(PRINT)
    refusal = services().recovery_prints.refusal(found, worker().account.id, deed)
    return text(refusal) if refusal else ""


def _deeds(found: RecoveryPrint) -> tuple[tuple[str, str, str], ...]:
    home = f"{LIST}/piles/{found.id}"
    return tuple((f"{home}/{deed}", text(f"rlt.do.{deed}"), _refusal(found, deed)) for deed in PileDeed)


def _facts(found: RecoveryPrint) -> tuple[tuple[str, str], ...]:
    names = actor_names({found.made_by, found.ended_by})
    made = text("bat.by", when=format_moment(found.made_at), who=names.get(found.made_by, "–"))
    ended = ""
    if found.ended_at and found.ended_by:
        ended = text("bat.by", when=format_moment(found.ended_at), who=names.get(found.ended_by, "–"))
    elif found.ended_at:
        ended = text("bat.by.itself", when=format_moment(found.ended_at))
    facts = (
        ("adm.state", text(f"rlt.pile.{found.state}")),
        ("adm.portal", found.portal.name(language())),
        ("bat.count", str(found.count)),
        ("bat.lastday", format_date(found.last_day)),
        ("bat.set", made),
        ("rlt.dropped" if found.state == PrintState.DROPPED else "bat.printed", ended),
        ("bat.posted", format_date(found.posted_on) if found.posted_on else ""),
    )
    return tuple((text(key), value) for key, value in facts if value)


def _take_out(found: RecoveryPrint) -> str:
    """The numbers of letters that must not be posted."""
    now, good = services().clock.now(), {"waiting"} if found.state == PrintState.SET else {"printed", "used"}
    wrong = [one for one in letters_of_print(found.id) if one.state(now) not in good]
    return ", ".join(f"{one.print_number:03}" for one in wrong if found.state != PrintState.POSTED)


def _typed_day(found: RecoveryPrint) -> date | None:
    read = read_date(line(request.form.get("day")), swiss(services().clock.now()).date())
    return read if isinstance(read, date) and services().recovery_prints.may_be_posted_on(read, found) else None
