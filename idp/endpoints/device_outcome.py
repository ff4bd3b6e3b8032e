"""What came of a device's code, carried from the POST over the redirect to the page, sealed for the session.

A reload, a change of the language or Back shows the outcome again; nothing is looked up or counted anew (ux.md §3.2).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from flask import redirect, request
from werkzeug.wrappers import Response

from idp.models.session import Session
from idp.services.bundle import services
from keys.envelope import EnvelopeError


@dataclass(frozen=True, repr=False)
class Outcome:
    """The code as it was typed; and what was wrong: a message key with the names it needs."""

    user_code: str
    key: str | None = None
    portal_id: UUID | None = None
    until: datetime | None = None


def lead(session: Session, outcome: Outcome) -> Response:
    """Redirect to the page of this outcome: the question, or the form with its error (303, RFC 9110 §15.4.4)."""
    known = {
        "user_code": outcome.user_code,
        "key": outcome.key,
        "portal_id": outcome.portal_id and str(outcome.portal_id),
        "until": outcome.until and outcome.until.isoformat(),
    }
    sealed = services().vault.seal(json.dumps(known).encode(), _context(session))
    path, anchor = ("/device", "#e") if outcome.key else ("/device/ask", "")
    return redirect(f"{path}?{urlencode({'outcome': sealed})}{anchor}", 303)


def shown(session: Session) -> Outcome | None:
    """The outcome that this address carries, where it was sealed for this session."""
    try:
        known = json.loads(services().vault.open(request.args.get("outcome", ""), _context(session)))
    except EnvelopeError:
        return None
    portal_id, until = known["portal_id"], known["until"]
    return Outcome(
        known["user_code"],
        known["key"],
        UUID(portal_id) if portal_id else None,
        datetime.fromisoformat(until) if until else None,
    )


def _context(session: Session) -> str:
    return f"device.outcome.{session.id}"
