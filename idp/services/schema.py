"""The database schema: brought up to date by Alembic on the application's own connection, and compared with it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from idp.models.base import db

ON_POSTGRESQL = (
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL lock_timeout = 0",
    "SELECT pg_advisory_xact_lock(hashtext('connect db upgrade'))",
    "SET LOCAL lock_timeout TO DEFAULT",  # a table in use must not hold up everybody behind us
)
# A table that others point to can only be made anew while nobody looks; broken links are looked for at the end.
ON_SQLITE = ("PRAGMA foreign_keys=OFF", "BEGIN IMMEDIATE")
SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The number of the last migration of this release."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current() -> str | None:
    """The number of the last migration the database has seen; None for an empty one."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(to: str = "head") -> str:
    """Run every migration up to `to` that the database has not seen, in one transaction; returns the newest number.

    Two instances that start at once take turns, and building an index may take longer than a request may.
    """
    with db.engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:
            from idp.models.postgresql import take_your_time  # its driver is not everywhere

            take_your_time(connection)
        for statement in ON_SQLITE if is_sqlite else ON_POSTGRESQL:
            connection.execute(text(statement))
        command.upgrade(_config(connection), to)
        if is_sqlite and (broken := connection.execute(text("PRAGMA foreign_key_check")).first()):
            raise RuntimeError(f"the migration left a row of {broken[0]} that points to nothing")
        connection.commit()
        if is_sqlite:
            connection.execute(text("PRAGMA foreign_keys=ON"))
    return newest()
