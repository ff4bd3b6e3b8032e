"""All data of one's own: to be read, and as a file for other programs.

What every portal holds stands here, so a device that one of them trusts is not enough to see it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, make_response
from werkzeug.wrappers import Response

from idp.account.entrance import prove_first
from idp.models.account import load_account
from idp.services.own_data import collect
from idp.web.i18n import text
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("own_data", __name__)


@dataclass(frozen=True, repr=False)
class DataView:
    """Subject, its title in words, and its entries as they stand in the file."""

    subjects: tuple[tuple[str, list[dict[str, Any]]], ...]


@blueprint.get("/account/data")
def own_data() -> Response:
    session = current_session()
    if session is None or not session.has_factors:
        return prove_first(session, "data")
    held = collect(load_account(session.account_id))
    view = DataView(tuple((text(f"data.{subject}"), entries) for subject, entries in held.items() if entries))
    return page("account/data.html", Frame(text("data.title"), back="/account"), view)


@blueprint.get("/account/data.json")
def own_data_file() -> Response:
    session = current_session()
    if session is None or not session.has_factors:
        return prove_first(session, "data")
    body = json.dumps(collect(load_account(session.account_id)), ensure_ascii=False, indent=2) + "\n"
    name = 'attachment; filename="connect.json"'
    return make_response(body, 200, {"Content-Type": "application/json", "Content-Disposition": name})
