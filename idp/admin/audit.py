"""What happened: newest first, filtered, page by page; only the portals that one's role covers.

Beside them stands the state of the chain (services/audit_chain.py); the file of them is audit_file.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint
from sqlalchemy import ColumnElement, Select, false, or_, select
from werkzeug.wrappers import Response

from idp.admin.audit_words import GROUPS, in_words, operators_in, tag_words, tags_of
from idp.admin.entrance import console, requires, worker
from idp.admin.paging import Around, Choices, Listing, Sort, around, page_of
from idp.clock import SWISS_TIME
from idp.models.account import Account
from idp.models.api_client import ApiClient
from idp.models.audit import AuditEvent, newest_link
from idp.models.base import db
from idp.models.operator import OperatorRole
from idp.models.person import InsuredPerson
from idp.models.portal import Portal, list_portals
from idp.services.audit import AuditTag
from idp.services.audit_chain import last_verified
from idp.services.permissions import Permission
from idp.texts import format_moment
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_audit", __name__)
SEE = Permission.SEE_AUDIT
FILTERS = ("group", "tag", "portal", "who", "person", "from", "to")
LISTING = Listing("audit", FILTERS, (Sort("when"),))


@dataclass(frozen=True, repr=False)
class EventView:
    """`subject` ends the number of the account that it is about: a list shows no names of persons."""

    at: str
    words: str
    tag: str
    portal: str
    actor: str
    subject: str
    details: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class AuditView:
    """`file` is the address of the same events as a file."""

    events: tuple[EventView, ...]
    choices: Choices
    chain: tuple[str, ...]
    file: str
    around: Around


@blueprint.get("/admin/audit")
@requires(SEE)
def audit() -> Response:
    asked, portals = LISTING.asked(), visible_portals()
    given = dict(asked.filters)
    everything = filtered(dict.fromkeys(FILTERS, ""), portals)
    shown, piece, total = page_of(asked, AuditEvent.id, everything, [filtered(given, portals)])
    names = actor_names({row.actor_id for row in shown}.union(*(operators_in(row) for row in shown)))
    filled = {name: value for name, value in given.items() if value}
    choices = _choices(portals)
    view = AuditView(
        events=tuple(_view(row, portals, names) for row in shown),
        choices=choices,
        chain=_chain() if worker().rights.may(SEE) else (),
        file="/admin/audit.csv" + (f"?{urlencode(filled)}" if filled else ""),
        around=around(asked, piece, total, choices),
    )
    wrong = {name: text("adm.e.day") for name in ("from", "to") if given[name] and _day(given[name]) is None}
    return console("admin/audit.html", text("adm.audit"), view, needs=SEE, form=FormView(given, wrong))


def _choices(portals: dict[UUID, Portal]) -> Choices:
    """Those without values are typed."""
    tags = sorted(((tag.value, tag_words(tag.value)) for tag in AuditTag), key=lambda one: one[1])
    return {
        "group": (text("adm.group"), [(name, text(f"adm.group.{name}")) for name in GROUPS]),
        "tag": (text("adm.what"), tags),
        "portal": (text("adm.portal"), [(one.slug, one.name(language())) for one in portals.values()]),
        "who": (text("adm.actor"), _operators()),
        **{name: (text(f"adm.{name}"), ()) for name in ("person", "from", "to")},
    }


def visible_portals() -> dict[UUID, Portal]:
    return {portal.id: portal for portal in list_portals() if worker().rights.may(SEE, portal.id)}


def filtered(given: dict[str, str], portals: dict[UUID, Portal]) -> Select[AuditEvent]:
    """The events that this operator may see and asks for."""
    found = select(AuditEvent)
    covered = worker().rights.portals(SEE)
    if covered is not None:
        found = found.where(AuditEvent.portal_id.in_(covered))
    if given["group"] in GROUPS:
        found = found.where(AuditEvent.tag.in_(tags_of(given["group"])))
    if given["tag"]:
        found = found.where(AuditEvent.tag == given["tag"])
    if given["portal"]:
        found = found.where(
            AuditEvent.portal_id.in_([one.id for one in portals.values() if one.slug == given["portal"]])
        )
    if given["who"]:
        found = found.where(AuditEvent.actor_id == _id(given["who"]))
    if given["person"]:
        found = found.where(_about(given["person"], portals))
    begin, end = _day(given["from"]), _day(given["to"])
    if begin is not None:
        found = found.where(AuditEvent.at >= _midnight(begin))
    if end is not None:
        found = found.where(AuditEvent.at < _midnight(end + timedelta(days=1)))
    return found


def _about(reference: str, portals: dict[UUID, Portal]) -> ColumnElement[bool]:
    """Whoever has this number of the fund, at the portals that one sees; or the account whose number ends so."""
    known = select(InsuredPerson.id, InsuredPerson.account_id).where(
        InsuredPerson.portal_id.in_(portals), InsuredPerson.external_id == reference
    )
    rows = db.session.execute(known.limit(50)).all()
    accounts = [row.account_id for row in rows if row.account_id]
    asked = _id(reference)
    if not rows and asked is None:
        return false()
    return or_(
        AuditEvent.insured_person_id.in_([row.id for row in rows]), AuditEvent.account_id.in_([*accounts, asked])
    )


def _chain() -> tuple[str, ...]:
    """How long the chain is, and when the worker last walked the whole of it."""
    newest, verified = newest_link(), last_verified()
    said = [text("adm.chain", n=newest.number, time=format_moment(newest.at)) if newest else text("adm.chain.none")]
    if verified is not None:
        key = "adm.chain.good" if verified.detail.get("state") == "good" else "adm.chain.broken"
        said.append(text(key, time=format_moment(verified.at), n=verified.detail.get("links", "")))
    return tuple(said)


def _operators() -> tuple[tuple[str, str], ...]:
    """Those of one's own portals; everybody, for whoever sees all portals."""
    covered, of_portals = worker().rights.portals(SEE), select(OperatorRole.account_id)
    if covered is not None:
        of_portals = of_portals.where(OperatorRole.portal_id.in_(covered))
    known = set(db.session.scalars(of_portals))
    return tuple(sorted(((str(ident), name) for ident, name in actor_names(known).items()), key=lambda one: one[1]))


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SWISS_TIME)


def _id(typed: str) -> UUID | None:
    try:
        return UUID(typed)
    except ValueError:
        return None


def actor_names(ids: set[UUID | None] | set[UUID]) -> dict[UUID, str]:
    """Who the operators of these accounts are, and the clients of the API."""
    known = [one for one in ids if one]
    clients = db.session.execute(select(ApiClient.id, ApiClient.name).where(ApiClient.id.in_(known)))
    rows = db.session.execute(
        select(Account.id, Account.given_name, Account.family_name, Account.email).where(Account.id.in_(known))
    )
    names = {row.id: f"{row.given_name} {row.family_name}".strip() or row.email for row in rows}
    return names | {row.id: row.name for row in clients}


def _view(row: AuditEvent, portals: dict[UUID, Portal], names: dict[UUID, str]) -> EventView:
    portal = portals.get(row.portal_id) if row.portal_id else None
    return EventView(
        at=format_moment(row.at),
        words=tag_words(row.tag),
        tag=row.tag,
        portal=portal.slug if portal else "",
        actor=names.get(row.actor_id, "") if row.actor_id else "",
        subject=str(row.account_id)[-8:] if row.account_id else "",
        details=in_words(row, names),
    )
