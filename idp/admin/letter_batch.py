"""One batch of letters: what it is, where it stands, what became of its letters, and what may be done with it now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from idp.admin.audit import actor_names
from idp.admin.entrance import console, may_words, requires, worker
from idp.admin.letters import LIST, PRINT, SEE, check_may
from idp.models.base import db
from idp.models.letter_batch import BatchState, LetterBatch, funnel
from idp.services.bundle import services
from idp.services.letter_batches import BatchDeed
from idp.services.permissions import Permission
from idp.services.persons import mask_name
from idp.services.press import PRINTED_WITHIN
from idp.services.returned_letters import RETURNABLE
from idp.texts import LANGUAGE_NAMES, format_date, format_day, format_moment
from idp.web.i18n import language, text

blueprint = Blueprint("admin_letter_batch", __name__)
PAGE = "/admin/letters/<uuid:batch_id>"
STEPS = ("issued", "posted", "opened", "done", "expired", "voided", "returned")
WITH_ADDRESSES = (BatchState.SET, BatchState.PRINTED, BatchState.POSTED)
FORWARD = (BatchDeed.APPROVE, BatchDeed.PRINT, BatchDeed.POST)
DONE = {"draft", *BatchDeed}


@dataclass(frozen=True, repr=False)
class BatchView:
    """`progress` is done and of how many, with its words, while the worker is at it; `deeds` are address, label and why
    not; `next_deed` is what this operator does next, or `next_hint` whom it waits for; `archive` is the address of all
    files in one; `steps` of the funnel are label, number and share; `left_out` are persons.
    """

    facts: tuple[tuple[str, str], ...]
    progress: tuple[int, int, str] | None
    deeds: tuple[tuple[str, str, str], ...]
    next_deed: tuple[str, str] | None
    next_hint: str
    archive: str
    files: tuple[tuple[str, str], ...]
    print_before: str
    left_out: tuple[tuple[UUID, str], ...]
    take_out: str
    steps: tuple[tuple[str, int, str], ...]


@blueprint.get(PAGE)
@requires(SEE)
def batch(batch_id: UUID) -> Response:
    found = load(batch_id)
    counts = funnel(found.id, services().clock.now())
    may_print = worker().rights.may(PRINT, found.portal_id)
    view = BatchView(
        facts=_facts(found),
        progress=_progress(found, counts),
        deeds=_deeds(found),
        next_deed=_next(found),
        next_hint=_hint(found),
        archive=f"{LIST}/{found.id}/letters.zip",
        files=_files(found) if may_print else (),
        print_before=format_day(found.set_at + PRINTED_WITHIN) if found.set_at else "",
        left_out=_left_out(found),
        take_out=", ".join(f"{one.number:04}" for one in services().letter_batches.overtaken(found)),
        steps=_steps(found, counts),
    )
    done = request.args.get("done", "")
    status = text(f"bat.done.{done}") if done in DONE else None
    return console("admin/letter_batch.html", name_of(found), view, needs=SEE, back=LIST, status=status)


def load(batch_id: UUID, permission: Permission = SEE) -> LetterBatch:
    """The batch. 404 for one whose portal this operator may not see, as for none."""
    found = db.session.get(LetterBatch, batch_id)
    if found is None or not worker().rights.may(SEE, found.portal_id):
        abort(404)
    check_may(permission, found.portal_id)
    return found


def name_of(found: LetterBatch) -> str:
    return text("bat.name", number=found.number, portal=found.portal.name(language()))


def _facts(found: LetterBatch) -> tuple[tuple[str, str], ...]:
    names = actor_names(
        {one for one in (found.made_by, found.approved_by, found.printed_by, found.cancelled_by) if one}
    )

    def by(at: datetime | None, who: UUID | None) -> str:
        return text("bat.by", when=format_moment(at), who=names.get(who, "–") if who else text("bat.by.command")) \
            if at else ""  # fmt: skip

    cancelled = by(found.cancelled_at, found.cancelled_by)
    if found.cancelled_at and found.cancelled_by is None:
        cancelled = text("bat.by.itself", when=format_moment(found.cancelled_at))
    facts = (
        ("adm.state", text(f"bat.state.{found.state}")),
        ("bat.for", text(f"bat.kind.{found.kind}")),
        ("bat.count", str(found.count)),
        ("bat.language", LANGUAGE_NAMES.get(found.language or "", text("bat.any.language"))),
        ("bat.side", text(f"bat.side.{found.window}")),
        ("bat.lastday", format_date(found.last_day) if found.last_day else ""),
        ("bat.made", by(found.made_at, found.made_by)),
        ("bat.approved", by(found.approved_at, found.approved_by)),
        ("bat.set", format_moment(found.set_at) if found.set_at else ""),
        ("bat.printed", by(found.printed_at, found.printed_by)),
        ("bat.posted", format_date(found.posted_on) if found.posted_on else ""),
        ("bat.cancelled", cancelled),
    )
    return tuple((text(key), value) for key, value in facts if value)


def _progress(found: LetterBatch, counts: dict[str, int]) -> tuple[int, int, str] | None:
    if found.state == BatchState.APPROVED:
        done = services().letter_batches.count_set(found)
        return done, found.count, text("bat.progress", done=done, n=found.count)
    if found.state == BatchState.PRINTED and found.issued_at is None:
        done = counts["issued"] + counts["overtaken"]
        return done, found.count, text("bat.issuing", done=done, n=found.count)
    return None


def _deeds(found: LetterBatch) -> tuple[tuple[str, str, str], ...]:
    """Everything there is to do, and of what cannot be done why: never hidden silently (ux.md §9.1)."""
    home, by, batches = f"{LIST}/{found.id}", worker().account.id, services().letter_batches
    offered: list[tuple[str, str, str | None]] = [("preview", f"{home}/preview", None)]
    offered += [(deed.value, f"{home}/{deed}", batches.refusal(deed, found, by)) for deed in BatchDeed]
    no_csv = None if found.state in WITH_ADDRESSES else "bat.e.csv"
    no_return = None if found.state in RETURNABLE else "bat.e.returned"
    offered += [("csv", f"{home}/addresses.csv", no_csv), ("returned", f"{home}/returned", no_return)]
    not_allowed = "" if worker().rights.may(PRINT, found.portal_id) else may_words(PRINT)
    return tuple(
        (address, text(f"bat.do.{name}"), not_allowed or (text(why) if why else "")) for name, address, why in offered
    )


def _next(found: LetterBatch) -> tuple[str, str] | None:
    if not worker().rights.may(PRINT, found.portal_id):
        return None
    refusal, by = services().letter_batches.refusal, worker().account.id
    deeds = (deed for deed in FORWARD if refusal(deed, found, by) is None)
    return next(((f"{LIST}/{found.id}/{deed}", text(f"bat.do.{deed}")) for deed in deeds), None)


def _hint(found: LetterBatch) -> str:
    """Who may approve what one made oneself; where there is nobody, how there will be somebody."""
    by = worker().account.id
    if found.state != BatchState.DRAFT or found.made_by != by:
        return ""
    others = [one for one in services().operators.who_may(PRINT, found.portal_id) if one.id != by]
    names = [one.full_name or one.email for one in others]
    return text("bat.approvers", names=", ".join(names)) if names else text("bat.approvers.none")


def _files(found: LetterBatch) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{LIST}/{found.id}/letters.pdf?part={part}", text("bat.file", first=f"{first:04}", last=f"{last:04}"))
        for part, first, last in services().letter_batches.files(found)
    )


def _left_out(found: LetterBatch) -> tuple[tuple[UUID, str], ...]:
    persons = [one.person for one in services().letter_batches.left_out(found)]
    return tuple((one.id, mask_name(one.given_name, one.family_name) or text("per.noname")) for one in persons)


def _steps(found: LetterBatch, counts: dict[str, int]) -> tuple[tuple[str, int, str], ...]:
    if found.printed_at is None:
        return ()
    counts = {**counts, "posted": counts["issued"] if found.posted_on else 0}
    steps = [("count", found.count), *((step, counts[step]) for step in STEPS)]
    return tuple((text(f"bat.f.{step}"), number, f"{number * 100 // max(1, found.count)} %") for step, number in steps)
