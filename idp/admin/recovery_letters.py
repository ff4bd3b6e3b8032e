"""Recovery letters that persons asked for: those that wait, the piles that are printed, and the end of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from sqlalchemy import ColumnElement, and_, func, select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.admin.letters import LIST as LETTERS
from idp.admin.letters import PRINT, SEE, check_may, named, portals_for
from idp.admin.paging import Around, Choices, Listing, Sort, around, page_of
from idp.admin.portal_access import at_portal
from idp.admin.portal_state import ConfirmView
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter, is_open, waits
from idp.models.recovery_print import PrintState, RecoveryPrint
from idp.services.bundle import services
from idp.services.persons import mask_name
from idp.texts import format_date, format_day, format_moment
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_recovery_letters", __name__)
LISTING = Listing("letters/recovery", ("portal", "state"), (Sort("asked"),))
LIST = LISTING.address
SET, CANCEL = f"{LIST}/at/<slug>/set", f"{LIST}/<uuid:letter_id>/cancel"
DONE = {"cancelled", "print", "post", "drop", "nothing"}
SHOWN = ("waiting", "open")


@dataclass(frozen=True, repr=False)
class LetterLine:
    """`cancel` is the address where it can be stopped, empty where there is nothing to stop or it is not allowed."""

    person_id: UUID
    person: str
    portal: str
    asked: str
    printed: str
    state: str
    cancel: str


@dataclass(frozen=True, repr=False)
class LettersView:
    """`waiting` are address and label of what can be set; `piles` the same of what was set and is not posted."""

    letters: tuple[LetterLine, ...]
    waiting: tuple[tuple[str, str], ...]
    piles: tuple[tuple[str, str], ...]
    choices: Choices
    around: Around


@blueprint.get(LIST)
@requires(SEE)
def letters() -> Response:
    asked, portals, now = LISTING.asked(), portals_for(SEE), services().clock.now()
    wish = asked.filters
    everything = select(RecoveryLetter).where(RecoveryLetter.portal_id.in_([one.id for one in portals]))
    found = everything.where(RecoveryLetter.portal_id.in_(_chosen(portals, wish["portal"])))
    if wish["state"] in SHOWN:
        found = found.where(_waits() if wish["state"] == "waiting" else is_open(now))
    shown, piece, total = page_of(asked, RecoveryLetter.id, everything, [found])
    choices: Choices = {
        "portal": (text("adm.portal"), named(portals)),
        "state": (text("adm.state"), [(one, text(f"rlt.show.{one}")) for one in SHOWN]),
    }
    view = LettersView(
        letters=tuple(_line(row) for row in shown),
        waiting=tuple(_waiting(one) for one in portals_for(PRINT) if _count(one)),
        piles=_piles([one.id for one in portals]),
        choices=choices,
        around=around(asked, piece, total, choices),
    )
    done = request.args.get("done", "")
    status = text(f"rlt.done.{done}") if done in DONE else None
    return console(
        "admin/recovery_letters.html", text("rlt.title"), view, needs=SEE, form=FormView(wish), back=LETTERS,
        status=status,
    )  # fmt: skip


@blueprint.get(SET)
@at_portal(PRINT)
def ask_set(portal: Portal) -> Response:
    """How many letters that would be; one's own is for somebody else."""
    count = _count(portal)
    if not count:
        return redirect(f"{LIST}?done=nothing", 303)
    view = ConfirmView(text("rlt.set.effect", n=count, portal=portal.name(language())), text("rlt.set"))
    return console("admin/confirm.html", text("rlt.set"), view, needs=PRINT, back=LIST)


@blueprint.post(SET)
@at_portal(PRINT)
def set_pile(portal: Portal) -> Response:
    pile = services().recovery_prints.set(portal, worker().account.id)
    return redirect(f"{LIST}/piles/{pile.id}" if pile else f"{LIST}?done=nothing", 303)


@blueprint.get(CANCEL)
@requires(PRINT)
def ask_cancel(letter_id: UUID) -> Response:
    row = _load(letter_id)
    if not _can_cancel(row):
        return redirect(LIST, 303)
    view = ConfirmView(text("rlt.cancel.effect", name=_name(row)), text("rlt.cancel"))
    return console("admin/confirm.html", text("rlt.cancel"), view, needs=PRINT, back=LIST)


@blueprint.post(CANCEL)
@requires(PRINT)
def cancel(letter_id: UUID) -> Response:
    """Its code, if there is one, is void, and the owner is told."""
    row = _load(letter_id)
    if not _can_cancel(row) or not services().recovery_letters.stop(row):
        return redirect(LIST, 303)
    return redirect(f"{LIST}?done=cancelled", 303)


def _load(letter_id: UUID) -> RecoveryLetter:
    """404 for one of a portal that this operator may not see, as for none."""
    found = db.session.get(RecoveryLetter, letter_id)
    if found is None or not worker().rights.may(SEE, found.portal_id):
        abort(404)
    check_may(PRINT, found.portal_id)
    return found


def _can_cancel(row: RecoveryLetter) -> bool:
    return row.state(services().clock.now()) in {"waiting", "printed"}


def _waits() -> ColumnElement[bool]:
    """To be set: neither cancelled nor too old, and in no pile."""
    return and_(waits(services().clock.now()), RecoveryLetter.print_id.is_(None))


def _chosen(portals: Sequence[Portal], slug: str) -> list[UUID]:
    return [one.id for one in portals if slug in {"", one.slug}]


def _count(portal: Portal) -> int:
    """How many letters this operator can set now."""
    mine = (RecoveryLetter.portal_id == portal.id, RecoveryLetter.account_id != worker().account.id, _waits())
    return db.session.scalar(select(func.count()).select_from(RecoveryLetter).where(*mine)) or 0


def _waiting(portal: Portal) -> tuple[str, str]:
    words = text("rlt.waiting", n=_count(portal), portal=portal.name(language()))
    return f"{LIST}/at/{portal.slug}/set", words


def _piles(portals: list[UUID]) -> tuple[tuple[str, str], ...]:
    open_ones = (RecoveryPrint.state.in_([PrintState.SET.value, PrintState.PRINTED.value]),)
    found = select(RecoveryPrint).where(RecoveryPrint.portal_id.in_(portals), *open_ones).order_by(RecoveryPrint.id)
    return tuple((f"{LIST}/piles/{one.id}", pile_name(one)) for one in db.session.scalars(found))


def pile_name(pile: RecoveryPrint) -> str:
    return text(
        "rlt.pile", n=pile.count, portal=pile.portal.name(language()), when=format_moment(pile.made_at),
        state=text(f"rlt.pile.{pile.state}"),
    )  # fmt: skip


def _name(row: RecoveryLetter) -> str:
    return mask_name(row.person.given_name, row.person.family_name) or text("per.noname")


def _line(row: RecoveryLetter) -> LetterLine:
    may = worker().rights.may(PRINT, row.portal_id) and _can_cancel(row)
    return LetterLine(
        person_id=row.insured_person_id,
        person=_name(row),
        portal=row.person.portal.name(language()),
        asked=format_moment(row.requested_at),
        printed=format_day(row.printed_at) if row.printed_at else "",
        state=_state(row),
        cancel=f"{LIST}/{row.id}/cancel" if may else "",
    )


def _state(row: RecoveryLetter) -> str:
    state = row.state(services().clock.now())
    pile = db.session.get(RecoveryPrint, row.print_id) if row.print_id else None
    if state == "waiting" and pile is not None:
        return text("rlt.state.set")
    if state == "printed" and pile is not None and pile.posted_on:
        return text("rlt.state.posted", date=format_date(pile.posted_on))
    return text(f"rlt.state.{state}")
