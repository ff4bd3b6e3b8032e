"""How what a request writes becomes lasting: together at its end, or each statement by itself.

Where one statement holds everything that belongs together, PostgreSQL is spared the journeys for the beginning and the
end of a transaction, and we the session: such statements have a connection of their own for the request (prepared.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from idp.models.base import ALONE, OPENED, db
from idp.models.context import APPLICATION, of_context

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
    kept = of_context()
    spared: SingleStatements | None = kept[APPLICATION].extensions[ALONE]
    if spared is None or ALONE in kept or (OPENED in kept and db.session().in_transaction()):
        return
    kept[ALONE] = spared.take()


def is_alone() -> bool:
    """Whether each statement is committed by itself now."""
    return ALONE in of_context()


def assure_transaction() -> None:
    """There is a connection for what is to be kept together after single statements. Whoever pays for a guess asks
    before those: where there is none the guess cannot be judged, and its price would be kept all the same. Raises what
    connecting raises.
    """
    kept = of_context()
    if kept[APPLICATION].extensions[ALONE] is not None and ALONE not in kept:  # else each would wait for the other
        db.engine.connect().close()


def together() -> None:
    """From here on everything is kept together, or nothing of it."""
    kept = of_context()
    if ALONE in kept:
        if OPENED in kept:
            db.session.commit()
        give_back()


def keep() -> None:
    """What was written so far stays, whatever comes."""
    if not is_alone():
        db.session.commit()


def give_back() -> None:
    """The connection of single statements, if there is one."""
    single: Single | None = of_context().pop(ALONE, None)
    if single is not None:
        single.keeper.give_back(single)
