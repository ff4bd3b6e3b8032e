"""All data of one's own: to be read, and as a file for other programs.

What every portal holds stands here, so a device that one of them trusts is not enough to see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from flask import Blueprint, make_response
from werkzeug.wrappers import Response

from idp.account.entrance import frame, prove_first
from idp.models.account import load_account
from idp.services.own_data import Plain, as_json, collect
from idp.texts import format_date, format_moment
from idp.web.i18n import text
from idp.web.render import page
from idp.web.session import current_session

blueprint = Blueprint("own_data", __name__)


@dataclass(frozen=True, repr=False)
class DataView:
    """Each subject's title and entries, of which each is a list of fields: name and value in words."""

    subjects: tuple[tuple[str, tuple[tuple[tuple[str, str], ...], ...]], ...]


@blueprint.get("/account/data")
def own_data() -> Response:
    session = current_session()
    if session is None or not session.has_factors:
        return prove_first(session, "data")
    held = collect(load_account(session.account_id))
    view = DataView(
        tuple((text(f"data.{subject}"), tuple(map(_in_words, entries))) for subject, entries in held.items() if entries)
    )
    return page("account/data.html", frame(text("data.title")), view)


@blueprint.get("/account/data.json")
def own_data_file() -> Response:
    session = current_session()
    if session is None or not session.has_factors:
        return prove_first(session, "data")
    body = as_json(collect(load_account(session.account_id)))
    name = 'attachment; filename="connect.json"'
    return make_response(body, 200, {"Content-Type": "application/json", "Content-Disposition": name})


def _in_words(entry: Plain) -> tuple[tuple[str, str], ...]:
    return tuple((text(f"data.field.{name}"), _shown(value)) for name, value in entry.items() if value)


def _shown(value: object) -> str:
    """Moments and days as people write them, the rest as it stands in the file."""
    if isinstance(value, datetime):
        return format_moment(value)
    if isinstance(value, date):
        return format_date(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
