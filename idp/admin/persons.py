"""Everybody whom one's role covers, to be searched and filtered; personal data is masked (ux.md §9.1).

What is typed in the box may be a name, so it comes by POST and stands sealed in the address, never readable.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, redirect, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.models.account import Account
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.services.persons import (
    Filter,
    Page,
    Question,
    Wanted,
    last_sign_ins,
    mask_name,
    mask_number,
    newest_codes,
    standing,
)
from idp.texts import format_day
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text

blueprint = Blueprint("admin_persons", __name__)
LIST, SEE = "/admin/persons", Permission.SEE_PERSONS
FILTERS = ("portal", "status")


@dataclass(frozen=True, repr=False)
class PersonLine:
    id: UUID
    name: str
    number: str
    portal: str
    state: str
    seen: str


@dataclass(frozen=True, repr=False)
class PersonsView:
    """`older` and `newer` are addresses, empty where there is nothing more; `kept` what was typed, sealed."""

    persons: tuple[PersonLine, ...]
    portals: tuple[tuple[str, str], ...]
    states: tuple[tuple[str, str], ...]
    kept: str
    older: str
    newer: str
    is_narrowed: bool


@blueprint.get(LIST)
@requires(SEE)
def persons() -> Response:
    typed = kept.find(whose()) or FormView()
    values = {name: line(request.args.get(name, typed.values.get(name)))[:100] for name in FILTERS}
    values["q"] = typed.values.get("q", "")
    question = services().persons.read(values["q"]) if values["q"] else None
    errors = {"q": text("per.e.short")} if question is not None and question.is_empty else {}
    portals = covered()
    page = Page((), False, False) if errors else _page(values, question, portals)
    view = PersonsView(
        persons=_lines(page, portals),
        portals=tuple((one.slug, one.name(language())) for one in portals.values()),
        states=tuple((one.value, text(f"per.state.{one}")) for one in Filter),
        kept=request.args.get(kept.PARAMETER, "") if values["q"] else "",
        older=_link(values, before=page.persons[-1].id) if page.has_older else "",
        newer=_link(values, after=page.persons[0].id) if page.has_newer else "",
        is_narrowed=any(values.values()),
    )
    return console("admin/persons.html", text("per.title"), view, needs=SEE, form=FormView(values, errors))


@blueprint.post(LIST)
@requires(SEE)
def search() -> Response:
    """That somebody was looked for is recorded; for whom is not, since nobody may have that name."""
    values = {name: line(request.form.get(name))[:100] for name in ("q", *FILTERS)}
    if not values["q"]:
        return redirect(f"{LIST}?{urlencode({name: values[name] for name in FILTERS})}", 303)
    services().audit.record(AuditTag.PERSONS_SEARCHED)
    return kept.lead(LIST, whose(), values)


def covered() -> dict[UUID, Portal]:
    """The portals whose persons this operator may see, by slug; also those that were disabled."""
    may, rows = worker().rights, db.session.scalars(select(Portal).order_by(Portal.slug))
    return {portal.id: portal for portal in rows if may.may(SEE, portal.id)}


def _page(values: dict[str, str], question: Question | None, portals: dict[UUID, Portal]) -> Page:
    asked = [one.id for one in portals.values() if values["portal"] in {"", one.slug}]
    chosen = Filter(values["status"]) if values["status"] in set(Filter) else None
    if not asked:
        return Page((), False, False)
    locked = services().locks.every_locked() if chosen is Filter.LOCKED else ()
    before, after = (_id(request.args.get(name, "")) for name in ("before", "after"))
    return services().persons.list(Wanted(asked, question, chosen, before, after), locked)


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
                format_day(at) if at else "",
            )
        )  # fmt: skip
    return tuple(lines)


def _link(values: dict[str, str], **ends: UUID) -> str:
    stays = {name: values[name] for name in FILTERS if values[name]}
    if values["q"]:
        stays[kept.PARAMETER] = request.args.get(kept.PARAMETER, "")
    return f"?{urlencode({**stays, **{name: str(end) for name, end in ends.items()}})}"


def _id(typed: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(typed)
    return None
