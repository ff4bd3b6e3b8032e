"""How what a request writes becomes lasting: together at its end, or each statement by itself.

Where one statement holds everything that belongs together, PostgreSQL is spared the journeys for the beginning and the
end of a transaction, and we the session: such statements have a connection of their own for the request (prepared.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, current_app, g

from idp.models.base import ALONE, db

if TYPE_CHECKING:
    from idp.models.single_statements import Single, SingleStatements


def install(app: Flask) -> None:
    """After the session is done with it, the connection goes back."""
    app.teardown_appcontext(lambda _: give_back())


def prepare(app: Flask) -> None:
    """For the present application, whose engine is known now. SQLite begins nothing for a read."""
    app.extensions[ALONE] = None
    if db.engine.dialect.name == "postgresql":
        from idp.models.single_statements import SingleStatements  # its driver is not everywhere

        app.extensions[ALONE] = SingleStatements(db.engine)


def each_alone() -> None:
    """From here on each statement is committed by itself, unless a transaction was begun; each sees what was committed
    before it, as without this. Raises what connecting raises.
    """
    spared: SingleStatements | None = current_app.extensions[ALONE]
    if spared is None or ALONE in g or (db.session.registry.has() and db.session().in_transaction()):
        return
    setattr(g, ALONE, spared.take())


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
    single: Single | None = g.pop(ALONE, None)
    if single is not None:
        current_app.extensions[ALONE].give_back(single)
