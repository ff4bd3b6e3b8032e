"""What operators chose in the console instead of what the environment says, and the version of it all.

The version goes up with every change, in the transaction that makes it: whoever saw an older one changes nothing, and a
process that knows the newest has nothing to read.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, insert_if_absent, write

SETTINGS = "settings"
NOTICE = "maintenance_notice"  # lies beside the settings (idp/services/maintenance.py)


class ChosenSetting(Base):
    """One choice, as it would be written in the environment."""

    __tablename__ = "chosen_setting"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    chosen_at: Mapped[datetime]
    chosen_by: Mapped[UUID | None]  # the account of an operator; empty where it was the command line


class SharedVersion(Base):
    """How often something changed that every process keeps a copy of."""

    __tablename__ = "shared_version"

    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]


def version_seen_by(connection: Connection) -> int:
    return connection.scalar(select(SharedVersion.number).where(SharedVersion.name == SETTINGS)) or 0


def chosen_seen_by(connection: Connection) -> dict[str, str]:
    """Name → value of every choice."""
    rows = connection.execute(select(ChosenSetting.name, ChosenSetting.value))
    return {row.name: row.value for row in rows}


def chosen() -> dict[str, ChosenSetting]:
    return {row.name: row for row in db.session.scalars(select(ChosenSetting))}


def version() -> int:
    return version_seen_by(db.session.connection())


def raise_version(seen: int) -> bool:
    """One conditional write, the first of a change: of two who saw the same version, one goes on."""
    if seen == 0:
        return insert_if_absent(SharedVersion, name=SETTINGS, number=1)
    row = (SharedVersion.name == SETTINGS, SharedVersion.number == seen)
    raised = update(SharedVersion).where(*row).values(number=seen + 1)
    return write(raised.execution_options(synchronize_session=False)) == 1
