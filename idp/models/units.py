"""How what a request writes becomes lasting: together at its end, or each statement by itself.

Where one statement holds everything that belongs together, PostgreSQL is spared the journeys for the beginning and the
end of a transaction, and we the session: such statements have a connection of their own for the request (prepared.py).
"""

from __future__ import annotations

from flask import Flask, current_app, g
from sqlalchemy import Connection

from idp.models.base import ALONE, db


def install(app: Flask) -> None:
    """After the session is done with it, the connection goes back."""
    app.teardown_appcontext(lambda _: give_back())


def prepare(app: Flask) -> None:
    """For the present application, whose engine is known now. SQLite begins nothing for a read."""
    is_spared = db.engine.dialect.name == "postgresql"
    app.extensions[ALONE] = db.engine.execution_options(isolation_level="AUTOCOMMIT") if is_spared else None


def each_alone() -> None:
    """From here on each statement is committed by itself, unless a transaction was begun; each sees what was committed
    before it, as without this. Raises what connecting raises.
    """
    engine = current_app.extensions[ALONE]
    if engine is None or ALONE in g or (db.session.registry.has() and db.session().in_transaction()):
        return
    connection: Connection = engine.connect()
    setattr(g, ALONE, connection)


def together() -> None:
    """From here on everything is kept together, or nothing of it."""
    if ALONE in g:
        if db.session.registry.has():
            db.session.commit()
        give_back()


def keep() -> None:
    """What was written so far stays, whatever comes."""
    if ALONE not in g:
        db.session.commit()


def give_back() -> None:
    """The connection of single statements, if there is one."""
    connection = g.pop(ALONE, None)
    if connection is not None:
        connection.close()
