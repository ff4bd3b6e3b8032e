"""The database schema: brought up to date by Alembic on the application's own connection, and compared with it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from idp.models.base import db

ON_POSTGRESQL = (
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL lock_timeout = 0",
    "SELECT pg_advisory_xact_lock(hashtext('connect db upgrade'))",
    "SET LOCAL lock_timeout TO DEFAULT",  # a table in use must not hold up everybody behind us
)
# A table that others point to can only be made anew while nobody looks; broken links are looked for at the end.
ON_SQLITE = ("PRAGMA foreign_keys=OFF", "BEGIN IMMEDIATE")
SEEN = "alembic_version"
SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


def newest() -> str:
    """The number of the last migration of this release: their files begin with it."""
    return max(file.name.partition("_")[0] for file in (SCRIPTS / "versions").glob("[0-9]*.py"))


def current() -> str | None:
    """The number of the last migration the database has seen; None for an empty one."""
    with db.engine.connect() as connection:
        if not inspect(connection).has_table(SEEN):
            return None
        number: str | None = connection.scalar(text(f"SELECT version_num FROM {SEEN}"))  # noqa: S608 - a name of ours
        return number


def upgrade(to: str = "head") -> str:
    """Run every migration up to `to` that the database has not seen, in one transaction; returns the newest number.

    Two instances that start at once take turns, and building an index may take longer than a request may.
    """
    from alembic import command  # a web process, which only compares, is loaded without it
    from alembic.config import Config

    with db.engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:
            from idp.models.postgresql import take_your_time  # its driver is not everywhere

            take_your_time(connection)
        for statement in ON_SQLITE if is_sqlite else ON_POSTGRESQL:
            connection.execute(text(statement))
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        if is_sqlite and (broken := connection.execute(text("PRAGMA foreign_key_check")).first()):
            raise RuntimeError(f"the migration left a row of {broken[0]} that points to nothing")
        connection.commit()
        if is_sqlite:
            connection.execute(text("PRAGMA foreign_keys=ON"))
    return newest()
