"""Browsers in which the second factor is not asked for, for a while: only the hash of the cookie's secret is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.account import Password
from idp.models.base import Base, db, write


class TrustedDevice(Base):
    """That one account proved its second factor in one browser and wished not to be asked there again."""

    __tablename__ = "trusted_device"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    browser_hash: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(unique=True)
    user_agent: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


def find_trust(account_id: UUID, browser_hash: str, hashes: Sequence[str], now: datetime) -> TrustedDevice | None:
    """The trust of this account in this browser, unless the password was changed since."""
    return db.session.scalar(
        select(TrustedDevice)
        .join(Password, Password.account_id == TrustedDevice.account_id)
        .where(
            TrustedDevice.secret_hash.in_(hashes),
            TrustedDevice.account_id == account_id,
            TrustedDevice.browser_hash == browser_hash,
            TrustedDevice.expires_at > now,
            Password.changed_at <= TrustedDevice.created_at,
        )
        .limit(1)
    )


def living_hashes(browser_hash: str, hashes: Sequence[str], now: datetime) -> set[str]:
    """Those of these secrets that are still good for some account in this browser."""
    found = select(TrustedDevice.secret_hash).where(
        TrustedDevice.secret_hash.in_(hashes),
        TrustedDevice.browser_hash == browser_hash,
        TrustedDevice.expires_at > now,
    )
    return set(db.session.scalars(found))


def trusted_devices_of(account_id: UUID, now: datetime) -> list[TrustedDevice]:
    """Those that still count, the newest first."""
    found = select(TrustedDevice).where(TrustedDevice.account_id == account_id, TrustedDevice.expires_at > now)
    return list(db.session.scalars(found.order_by(TrustedDevice.id.desc())))


def replace_secret(device_id: UUID, old_hash: str, new_hash: str, now: datetime) -> bool:
    """Use a trust: its secret serves once. False where it was used or ended since it was read."""
    done = write(
        update(TrustedDevice)
        .where(TrustedDevice.id == device_id, TrustedDevice.secret_hash == old_hash, TrustedDevice.expires_at > now)
        .values(secret_hash=new_hash, last_used_at=now)
        .execution_options(synchronize_session=False)
    )
    return done == 1


def end_trust(account_id: UUID, *conditions: object) -> int:
    """Delete what the conditions say of this account's trusted devices; how many."""
    rows = delete(TrustedDevice).where(TrustedDevice.account_id == account_id, *conditions)  # type: ignore[arg-type]
    return write(rows.execution_options(synchronize_session=False))
