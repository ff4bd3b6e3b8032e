"""One unit of work per request: what a view returned is committed, what it raised is rolled back.

Some steps commit on their way (an attempt, a consumed token). What was read before stays as read for the rest of the
request: whatever must hold at the moment of writing is a condition of the statement that writes.
"""

from __future__ import annotations

from flask import Flask, Response

from idp.models.base import OPENED, READS_STAY, db
from idp.models.context import of_context
from idp.models.units import give_back


def begin() -> None:
    kept = of_context()
    kept[READS_STAY] = True  # for a session that is not made yet: who asks nothing needs none
    if OPENED in kept:
        db.session().expire_on_commit = False


def settle(response: Response) -> Response:
    """Keep what was written for this answer, unless it says that something of ours failed."""
    if OPENED in of_context():  # else nothing was asked of it
        end = db.session.rollback if response.status_code >= 500 else db.session.commit
        end()
    give_back()
    return response


def install(app: Flask) -> None:
    app.before_request(begin)
    app.after_request(settle)
