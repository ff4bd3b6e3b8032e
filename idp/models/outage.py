"""Which errors of the database pass by themselves, and when to come again: one table for everybody who asks.

Nothing is tried a second time within a request: a guess is counted and a code is used up by statements that commit on
their way (docs/decisions/0029). What an error says is its code: PostgreSQL's SQLSTATE, SQLite's result code.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

SOON_S, LATER_S = 1, 10
# Code, or the class of codes that begin so → when to come again. What stands nowhere is a fault of ours.
PASSES = {
    "40P01": SOON_S,  # deadlock detected: the other one has gone on
    "40001": SOON_S,  # serialization failure, also where a replica takes over
    "55P03": SOON_S,  # the lock was not to be had in time
    "57014": SOON_S,  # the statement took too long
    "40003": LATER_S,  # nobody knows whether it was done: the same form says so
    "25006": LATER_S,  # a server that only reads: it was the first one, or is not yet
    "08": LATER_S,  # the connection broke, or none was made
    "53": LATER_S,  # no more connections, memory or room
    "57P": LATER_S,  # it is shut down, starts, or was told to end this session
    "58": LATER_S,  # its disk fails
}
OF_NO_USE = ("25006", "08", "57P")  # these tell of the connection: it is thrown away
SQLITE = {
    sqlite3.SQLITE_BUSY: SOON_S, sqlite3.SQLITE_LOCKED: SOON_S, sqlite3.SQLITE_PROTOCOL: SOON_S,
    sqlite3.SQLITE_IOERR: LATER_S, sqlite3.SQLITE_FULL: LATER_S, sqlite3.SQLITE_READONLY: LATER_S,
    sqlite3.SQLITE_CANTOPEN: LATER_S, sqlite3.SQLITE_NOMEM: LATER_S, sqlite3.SQLITE_PERM: LATER_S,
}  # fmt: skip
PRIMARY_CODE = 0xFF  # of an extended one (sqlite.org/rescode.html)


def retry_after(error: BaseException) -> int | None:
    """In how many seconds it is worth to come again; None where the error is no outage but a fault."""
    if isinstance(error, PoolTimeout):  # every connection is in use
        return LATER_S
    if not isinstance(error, DBAPIError):
        return None
    if (state := _state(error.orig)) is not None:
        return next((seconds for code, seconds in PASSES.items() if state.startswith(code)), None)
    if (code := getattr(error.orig, "sqlite_errorcode", None)) is not None:
        return SQLITE.get(code & PRIMARY_CODE)
    # Without a code: no server was reached, or it went away without a word.
    return LATER_S if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError) else None


def of_no_use(error: BaseException) -> bool:
    """Whether the connection that this error of the driver came by must not be used again."""
    return (_state(error) or "").startswith(OF_NO_USE)


def _state(error: BaseException | None) -> str | None:
    return getattr(error, "sqlstate", None)
