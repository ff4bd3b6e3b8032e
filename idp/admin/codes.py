"""The registration codes of one's portals: which letter, whose (masked), in which state; the codes are kept nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.admin.letters import PRINT, SEE, named, portals_for
from idp.admin.paging import Around, Choices, Listing, Sort, around, page_of
from idp.models.base import db
from idp.models.letter_batch import BatchLetter
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.code_changes import CHANGEABLE, CodeAction, CodeState
from idp.services.letter_references import show_reference
from idp.services.persons import mask_name
from idp.texts import format_day
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_codes", __name__)
LISTING = Listing("codes", ("portal", "state"), (Sort("printed"), Sort("until", RegistrationCode.expires_at)))
LIST = LISTING.address


@dataclass(frozen=True, repr=False)
class CodeLine:
    id: UUID
    letter: str
    person_id: UUID
    person: str
    portal: str
    state: str
    printed: str
    until: str


@dataclass(frozen=True, repr=False)
class CodesView:
    """`bulk` are address and label of what may be done with all that match."""

    codes: tuple[CodeLine, ...]
    choices: Choices
    around: Around
    bulk: tuple[tuple[str, str], ...]


@blueprint.get(LIST)
@requires(SEE)
def codes() -> Response:
    asked, portals, changes = LISTING.asked(), portals_for(SEE), services().code_changes
    portal = next((one for one in portals if one.slug == asked.filters["portal"]), None)
    state = CodeState(asked.filters["state"]) if asked.filters["state"] in set(CodeState) else None
    found = [changes.listed(None, one.id, state) for one in ([portal] if portal else portals)]
    everything = changes.listed(worker().rights.portals(SEE), None, None)
    whose = joinedload(RegistrationCode.person).joinedload(InsuredPerson.portal)
    shown, piece, total = page_of(asked, RegistrationCode.id, everything, found, whose)
    references = references_of([row.id for row in shown])
    choices: Choices = {
        "portal": (text("adm.portal"), named(portals)),
        "state": (text("adm.state"), [(one.value, text(f"cod.state.{one}")) for one in CodeState]),
    }
    view = CodesView(
        codes=tuple(_line(row, references) for row in shown),
        choices=choices,
        around=around(asked, piece, total, choices),
        bulk=_bulk(portal, state),
    )
    return console("admin/codes.html", text("cod.title"), view, needs=SEE, form=FormView(asked.filters))


def references_of(code_ids: list[UUID]) -> dict[UUID, str]:
    """The references of the letters that carry these codes."""
    rows = db.session.execute(
        select(BatchLetter.code_id, BatchLetter.reference).where(BatchLetter.code_id.in_(code_ids))
    )
    return {row[0]: show_reference(row[1]) for row in rows if row[0] is not None}


def name_of(code: RegistrationCode, references: dict[UUID, str]) -> str:
    """The reference of its letter; of a code without one a piece of the hash, which tells nothing."""
    return references.get(code.id) or f"#{code.code_hash[:6]}"


def person_of(code: RegistrationCode) -> str:
    return mask_name(code.person.given_name, code.person.family_name) or text("per.noname")


def _line(code: RegistrationCode, references: dict[UUID, str]) -> CodeLine:
    return CodeLine(
        id=code.id,
        letter=name_of(code, references),
        person_id=code.insured_person_id,
        person=person_of(code),
        portal=code.person.portal.name(language()),
        state=text(f"cod.state.{code.state(services().clock.now())}"),
        printed=format_day(code.issued_at),
        until=format_day(code.expires_at),
    )


def _bulk(portal: Portal | None, state: CodeState | None) -> tuple[tuple[str, str], ...]:
    if portal is None or state is None or not worker().rights.may(PRINT, portal.id):
        return ()
    asked = urlencode({"portal": portal.slug, "state": state.value})
    offered = [action.value for action in CodeAction if state in CHANGEABLE[action]]
    offered += [] if state is CodeState.REDEEMED else ["letter"]
    return tuple((f"{LIST}/all-{one}?{asked}", text(f"cod.all.{one}.title")) for one in offered)
