"""How long the session of a page goes on, told to its script, and the answer to "do you want to extend it?" (U25).

Asking is no use of the session, so a page that stands open ends as it should; other tabs may have used it meanwhile.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, jsonify

from idp.services.bundle import services
from idp.texts import format_time
from idp.web.session import current_session, session_end

blueprint = Blueprint("session", __name__)


@blueprint.get("/account/session")
def show() -> Response:
    current_session()
    return _told()


@blueprint.post("/account/session")
def extend() -> Response:
    session = current_session()
    if session is not None:
        services().sessions.extend(session)
    return _told()


def _told() -> Response:
    """`left` in whole seconds, zero when it is over; `time` by the clock; `final` when it cannot be extended."""
    end = session_end()
    if end is None:
        return jsonify(left=0, time="", final=False)
    return jsonify(left=max(0, end.left // timedelta(seconds=1)), time=format_time(end.at), final=end.is_final)
