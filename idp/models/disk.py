"""Commits that need not wait for the disk (docs/decisions/0035).

PostgreSQL and SQLite write their logs in order: whoever waits for one commit waits for all before it. Until the next
one that waits, such a commit is lost with a machine that loses its power and with a server of PostgreSQL that crashes;
a process of ours that dies loses none.
"""

from __future__ import annotations

from typing import Any

from flask import g
from sqlalchemy import Engine, event, func

from idp.models.base import ALONE, connection_of_transaction, db

UNHURRIED = "waits_for_no_disk"
LONGEST_LOG = 4000  # pages, of SQLite's; then whoever commits moves them into the file, as without a worker


def prepare_sqlite(engine: Engine) -> None:
    """A connection that comes back to the pool waits again, and leaves it to the worker to shorten the log."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA wal_autocheckpoint={LONGEST_LOG}")

    @event.listens_for(engine, "checkin")
    def _on_checkin(connection: Any, record: Any) -> None:
        if record.info.pop(UNHURRIED, False) and connection is not None:
            connection.execute("PRAGMA synchronous=FULL")


def without_waiting(statement: Any) -> Any:
    """The INSERT or UPDATE whose transaction PostgreSQL commits without waiting, if it meets a row."""
    return statement.returning(func.set_config("synchronous_commit", "off", True).label("synchronous_commit"))


def wait_for_no_disk() -> None:
    """The same on SQLite, said before the first write of a transaction; later it changes nothing."""
    if ALONE in g:
        return
    connection = connection_of_transaction()
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and not driver.in_transaction:
        driver.execute("PRAGMA synchronous=NORMAL")
        connection.info[UNHURRIED] = True


def waits_for_disk() -> bool:
    """Whether the present transaction does; on PostgreSQL its statements decide."""
    return UNHURRIED not in connection_of_transaction().info


def shorten_log() -> None:
    """Move what SQLite's log holds into the file, beside those who read and write; nobody waits for anybody."""
    db.session.connection().exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
    db.session.commit()
