"""The batches of letters, and a new one: whom it is for, how many that are, and then the draft (ux.md §9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from idp.admin.entrance import NotAllowed, console, requires, whose, worker
from idp.admin.paging import Around, Choices, Listing, Sort, around, page_of
from idp.errors import BadInput
from idp.models.base import db
from idp.models.letter_batch import BatchState, LetterBatch
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.letter_batches import AT_ONCE, MOST, BatchDeed, batches_of
from idp.services.letter_choice import COUNTED, REMINDED_AFTER, BatchKind, Choice
from idp.services.permissions import Permission
from idp.texts import LANGUAGE_NAMES, format_date, format_day
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_letters", __name__)
LISTING = Listing("letters", ("portal", "state"), (Sort("made"),))
LIST, NEW = LISTING.address, "/admin/letters/new"
SEE, PRINT = Permission.SEE_LETTERS, Permission.PRINT_LETTERS
KINDS = tuple(kind for kind in BatchKind if kind is not BatchKind.CHOSEN)
DONE = {"draft", *BatchDeed}
WAITING = [one.value for one in (BatchState.DRAFT, BatchState.SET, BatchState.PRINTED)]
ENTRIES = ("portal", "kind", "language", "days")


@dataclass(frozen=True, repr=False)
class BatchLine:
    id: UUID
    name: str
    portal: str
    kind: str
    count: int
    state: str
    made: str
    posted: str


@dataclass(frozen=True, repr=False)
class BatchesView:
    """`several` are addresses and labels of what can be done with more than one batch at once."""

    batches: tuple[BatchLine, ...]
    choices: Choices
    several: tuple[tuple[str, str], ...]
    around: Around
    may_print: bool


@dataclass(frozen=True, repr=False)
class NewView:
    """`counted` is in words, and empty until somebody counted; `is_possible`: then there is a draft to be made."""

    portals: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]
    languages: tuple[tuple[str, str], ...]
    days: tuple[tuple[str, str], ...]
    counted: str
    is_possible: bool


@blueprint.get(LIST)
@requires(SEE)
def batches() -> Response:
    asked, portals, covered = LISTING.asked(), portals_for(SEE), worker().rights.portals(SEE)
    chosen = next((one for one in portals if one.slug == asked.filters["portal"]), None)
    found, everything = batches_of(covered, chosen, asked.filters["state"]), batches_of(covered, None, "")
    shown, piece, total = page_of(asked, LetterBatch.id, everything, [found], joinedload(LetterBatch.portal))
    choices: Choices = {
        "portal": (text("adm.portal"), named(portals)),
        "state": (text("adm.state"), [(one.value, text(f"bat.state.{one}")) for one in BatchState]),
    }
    view = BatchesView(
        batches=tuple(_line(row) for row in shown),
        choices=choices,
        several=_several(chosen),
        around=around(asked, piece, total, choices),
        may_print=worker().rights.may_somewhere(PRINT),
    )
    form = FormView(asked.filters)
    return console("admin/letters.html", text("bat.title"), view, needs=SEE, form=form, status=_status())


@blueprint.get(NEW)
@requires(PRINT)
def new() -> Response:
    form, portals = kept.find(whose()) or FormView({"days": str(REMINDED_AFTER[0])}), portals_for(PRINT)
    counted = form.values.get("counted", "")
    view = NewView(
        portals=named(portals),
        kinds=tuple((kind.value, text(f"bat.kind.{kind}")) for kind in KINDS),
        languages=tuple(LANGUAGE_NAMES.items()),
        days=tuple((str(days), text("bat.days.n", n=days)) for days in REMINDED_AFTER),
        counted=_in_words(int(counted)) if counted else "",
        is_possible=bool(counted) and int(counted) > 0,
    )
    return console("admin/letter_new.html", text("bat.new"), view, needs=PRINT, form=form, back=LIST)


@blueprint.post(NEW)
@requires(PRINT)
def count() -> Response:
    """How many persons that are, and the draft where that was wanted."""
    typed = {name: line(request.form.get(name)) for name in ENTRIES}
    choice, errors = _choice(typed)
    if choice is None:
        return kept.lead(NEW, whose(), typed, errors)
    if request.form.get("do") != "draft":
        return kept.lead(NEW, whose(), {**typed, "counted": str(services().letter_batches.count(choice))})
    try:
        return drafted(services().letter_batches.draft_all(choice, worker().account.id))
    except BadInput:
        return kept.lead(NEW, whose(), typed, {"kind": Wrong("bat.e.draft")})


def drafted(made: list[LetterBatch]) -> Response:
    """To the batch that was made, or to the list of them where there are several."""
    if len(made) == 1:
        return redirect(f"{LIST}/{made[0].id}?done=draft", 303)
    return redirect(f"{LIST}?portal={made[0].portal.slug}&done=draft&n={len(made)}", 303)


def _status() -> str | None:
    """What was just done with several batches, in words."""
    done, count = request.args.get("done", ""), request.args.get("n", "")[:3]
    return text(f"bat.several.done.{done}", n=count) if done in DONE and count.isdecimal() else None


def _several(chosen: Portal | None) -> tuple[tuple[str, str], ...]:
    """What waits for this operator at more than one batch of a portal."""
    batches, by, offered = services().letter_batches, worker().account.id, list[tuple[str, str]]()
    for portal in [chosen] if chosen is not None else portals_for(PRINT):
        if not worker().rights.may(PRINT, portal.id):
            continue
        waiting = list(db.session.scalars(batches_of(None, portal, "").where(LetterBatch.state.in_(WAITING))))
        for deed in (BatchDeed.APPROVE, BatchDeed.PRINT, BatchDeed.POST):
            count = sum(batches.refusal(deed, one, by) is None for one in waiting)
            if count > 1:
                label = text("bat.several", what=text(f"bat.several.{deed}"), n=count, portal=portal.name(language()))
                offered.append((f"{LIST}/at/{portal.slug}/{deed}", label))
    return tuple(offered)


def _choice(typed: dict[str, str]) -> tuple[Choice | None, dict[str, Wrong]]:
    portal = next((one for one in portals_for(PRINT) if one.slug == typed["portal"]), None)
    errors = {} if portal is not None else {"portal": Wrong("bat.e.portal")}
    if typed["kind"] not in KINDS:
        errors["kind"] = Wrong("bat.e.kind")
    if portal is None or errors:
        return None, errors
    days = int(typed["days"]) if typed["days"] in {str(one) for one in REMINDED_AFTER} else REMINDED_AFTER[0]
    spoken = typed["language"] if typed["language"] in LANGUAGE_NAMES else None
    return Choice(portal, BatchKind(typed["kind"]), spoken, days), {}


def _in_words(counted: int) -> str:
    if not counted:
        return text("bat.nobody")
    batches = -(-min(counted, MOST * AT_ONCE) // MOST)
    return text("bat.counted", n=number(counted), most=MOST, batches=batches)


def number(counted: int, most: int = COUNTED) -> str:
    """How many, as far as it was counted."""
    return str(counted) if counted <= most else f"{most}+"


def portals_for(permission: Permission) -> list[Portal]:
    """The portals at which this operator is allowed this, by slug."""
    rows = db.session.scalars(select(Portal).order_by(Portal.slug))
    return [portal for portal in rows if worker().rights.may(permission, portal.id)]


def named(portals: list[Portal]) -> tuple[tuple[str, str], ...]:
    return tuple((portal.slug, portal.name(language())) for portal in portals)


def check_may(permission: Permission, portal_id: UUID) -> None:
    """Raises `NotAllowed`."""
    if not worker().rights.may(permission, portal_id):
        raise NotAllowed(permission)


def _line(batch: LetterBatch) -> BatchLine:
    return BatchLine(
        id=batch.id,
        name=text("bat.number", number=batch.number),
        portal=batch.portal.name(language()),
        kind=text(f"bat.kind.{batch.kind}"),
        count=batch.count,
        state=text(f"bat.state.{batch.state}"),
        made=format_day(batch.made_at),
        posted=format_date(batch.posted_on) if batch.posted_on else "",
    )
