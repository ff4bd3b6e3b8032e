"""Passkeys: the public halves of key pairs that authenticators keep for an account (WebAuthn Level 3 §4)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, write


class Passkey(Base):
    """One discoverable credential. `aaguid` names its provider, if the provider wants to be named."""

    __tablename__ = "passkey"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    credential_id: Mapped[str] = mapped_column(unique=True)  # base64url, as in the browser's JSON
    user_handle: Mapped[bytes]  # what the authenticator knows the account by
    public_key: Mapped[bytes]  # COSE
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    aaguid: Mapped[str]
    transports: Mapped[list[str]]
    backed_up: Mapped[bool]  # kept in the provider's cloud when it was last used
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


def find_passkey(credential_id: str) -> Passkey | None:
    return db.session.scalar(
        select(Passkey).where(Passkey.credential_id == credential_id).execution_options(populate_existing=True)
    )


def passkeys_of(account_id: UUID) -> list[Passkey]:
    """The newest first."""
    return list(db.session.scalars(select(Passkey).where(Passkey.account_id == account_id).order_by(Passkey.id.desc())))


def record_use(passkey_id: UUID, sign_count: int, backed_up: bool, now: datetime) -> bool:
    """Note a use; False when the counter did not go forward, as with a copied key (WebAuthn Level 3 §6.1.1).

    Authenticators that do not count say zero every time.
    """
    goes_forward = Passkey.sign_count < sign_count if sign_count else Passkey.sign_count == 0
    done = write(
        update(Passkey)
        .where(Passkey.id == passkey_id, goes_forward)
        .values(sign_count=sign_count, backed_up=backed_up, last_used_at=now)
    )
    return done == 1
