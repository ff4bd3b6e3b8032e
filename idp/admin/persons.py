"""Everybody whom one's role covers, to be searched and filtered; personal data is masked (ux.md §9.1).

What is typed in the box may be a name, so it comes by POST and stands sealed in the address, never readable.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, redirect, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.paging import Around, Asked, Choices, Listing, Sort, around
from idp.models.account import Account
from idp.models.base import db
from idp.models.keyset import Piece
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.total import Total
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.services.person_lists import Ages, Filter, Question, Wanted
from idp.services.persons import (
    Page,
    last_sign_ins,
    mask_name,
    mask_number,
    newest_codes,
    standing,
)
from idp.texts import LANGUAGE_NAMES, format_day
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text

blueprint = Blueprint("admin_persons", __name__)
LIST, SEE = "/admin/persons", Permission.SEE_PERSONS
SORTS = (Sort("added"), Sort("name", InsuredPerson.sort_name, "name"))
LISTING = Listing("persons", ("portal", "status", "language", "ages"), SORTS)
NOBODY = Page((), has_next=False, has_previous=False, total=Total(0))


@dataclass(frozen=True, repr=False)
class PersonLine:
    id: UUID
    name: str
    number: str
    portal: str
    state: str
    seen: str
    added: str


@dataclass(frozen=True, repr=False)
class PersonsView:
    """`kept` is what was typed into the box, sealed; `choices` the labels of the filters, with what may be chosen."""

    persons: tuple[PersonLine, ...]
    choices: Choices
    kept: str
    around: Around


@blueprint.get(LIST)
@requires(SEE)
def persons() -> Response:
    typed = kept.find(whose()) or FormView()
    asked, looked_for = LISTING.asked(), typed.values.get("q", "")
    question = services().persons.read(looked_for) if looked_for else None
    errors = {"q": text("per.e.short")} if question is not None and question.is_empty else {}
    portals = covered()
    page = NOBODY if errors else _page(asked, question, portals)
    choices: Choices = {
        "portal": (text("adm.portal"), [(one.slug, one.name(language())) for one in portals.values()]),
        "status": (text("adm.state"), [(one.value, text(f"per.state.{one}")) for one in Filter]),
        "language": (text("per.language"), list(LANGUAGE_NAMES.items())),
        "ages": (text("per.ages"), [(one.value, text(f"per.ages.{one}")) for one in Ages]),
    }
    sealed = request.args.get(kept.PARAMETER, "") if looked_for else ""
    piece = Piece(tuple(one.id for one in page.persons), page.has_next, page.has_previous)
    view = PersonsView(
        persons=_lines(page, portals),
        choices=choices,
        kept=sealed,
        around=around(asked, piece, page.total, choices, (sealed, looked_for)),
    )
    form = FormView({**asked.filters, "q": looked_for}, errors)
    return console("admin/persons.html", text("per.title"), view, needs=SEE, form=form)


@blueprint.post(LIST)
@requires(SEE)
def search() -> Response:
    """That somebody was looked for is recorded; for whom is not, since nobody may have that name."""
    looked_for = line(request.form.get("q"))[:100]
    given = {name: line(request.form.get(name))[:100] for name in ("sort", *LISTING.filters)}
    filters = urlencode({name: value for name, value in given.items() if value})
    if not looked_for:
        return redirect(f"{LIST}?{filters}", 303)
    services().audit.record(AuditTag.PERSONS_SEARCHED)
    found = kept.lead(LIST, whose(), {"q": looked_for}).location
    return redirect(f"{found}&{filters}" if filters else found, 303)


def covered() -> dict[UUID, Portal]:
    """The portals whose persons this operator may see, by slug; also those that were disabled."""
    may, rows = worker().rights, db.session.scalars(select(Portal).order_by(Portal.slug))
    return {portal.id: portal for portal in rows if may.may(SEE, portal.id)}


def _page(asked: Asked, question: Question | None, portals: dict[UUID, Portal]) -> Page:
    given = asked.filters
    where = [one.id for one in portals.values() if given["portal"] in {"", one.slug}]
    if not where:
        return NOBODY
    chosen = Filter(given["status"]) if given["status"] in set(Filter) else None
    wanted = Wanted(
        where, question, chosen, asked.before, asked.after,
        language=given["language"] if given["language"] in LANGUAGE_NAMES else None,
        ages=Ages(given["ages"]) if given["ages"] in set(Ages) else None,
        order=asked.order,
    )  # fmt: skip
    locked = services().locks.every_locked() if chosen is Filter.LOCKED else ()
    return services().persons.list(wanted, locked)


def _lines(page: Page, portals: dict[UUID, Portal]) -> tuple[PersonLine, ...]:
    owners = [one.account_id for one in page.persons if one.account_id]
    accounts = {one.id: one for one in db.session.scalars(select(Account).where(Account.id.in_(owners)))}
    codes, seen = newest_codes([one.id for one in page.persons]), last_sign_ins(owners)
    locked, now, lines = services().locks.locked(list(accounts.values())), services().clock.now(), []
    for one in page.persons:
        account = accounts.get(one.account_id) if one.account_id else None
        state = standing(account, codes.get(one.id), now, is_locked=one.account_id in locked)
        names = (one.given_name or (account.given_name if account else ""),
                 one.family_name or (account.family_name if account else ""))  # fmt: skip
        at = seen.get(one.account_id) if one.account_id else None
        lines.append(
            PersonLine(
                one.id, mask_name(*names) or text("per.noname"), mask_number(one.insured_number),
                portals[one.portal_id].name(language()), text(f"per.state.{state}"),
                format_day(at) if at else "", format_day(one.created_at),
            )
        )  # fmt: skip
    return tuple(lines)
