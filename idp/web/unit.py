"""One unit of work per request: what a view returned is committed, what it raised is rolled back.

Some steps commit on their way (an attempt, a consumed token). What was read before stays as read for the rest of the
request: whatever must hold at the moment of writing is a condition of the statement that writes.
"""

from __future__ import annotations

from flask import Flask, Response

from idp.models.base import db


def begin() -> None:
    db.session().expire_on_commit = False


def begin_reading() -> None:
    """A unit that reads alone: PostgreSQL is spared the journeys for the beginning and the end of a transaction, and
    each of its statements sees what was committed before it, as without this.
    """
    begin()
    if db.engine.dialect.name == "postgresql" and not db.session().in_transaction():  # SQLite begins nothing for a read
        db.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


def settle(response: Response) -> Response:
    """Keep what was written for this answer, unless it says that something of ours failed."""
    if not db.session.registry.has():  # nothing was asked of the database
        return response
    if response.status_code >= 500:
        db.session.rollback()
    else:
        db.session.commit()
    return response


def install(app: Flask) -> None:
    app.before_request(begin)
    app.after_request(settle)
