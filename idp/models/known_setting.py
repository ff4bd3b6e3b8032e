"""The settings as a web process last saw them, so that a change is noticed (services/known_settings.py)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, insert_if_absent, write


class KnownSetting(Base):
    """`value` as it may be shown; of a secret a MAC, which tells a change and nothing else."""

    __tablename__ = "known_setting"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    changed_at: Mapped[datetime | None]  # empty while it is as at the first start


def known() -> dict[str, KnownSetting]:
    return {row.name: row for row in db.session.scalars(select(KnownSetting))}


def note(name: str, value: str) -> None:
    """The first that is seen of it."""
    insert_if_absent(KnownSetting, name=name, value=value, changed_at=None)


def change(name: str, before: str, after: str, now: datetime) -> bool:
    """One conditional write: of several processes that start at once, one records the change."""
    row = (KnownSetting.name == name, KnownSetting.value == before)
    changed = update(KnownSetting).where(*row).values(value=after, changed_at=now)
    return write(changed.execution_options(synchronize_session=False)) == 1
