"""Operators: invited to an address, holding roles at portals, paused when their account came back by a recovery.

A role is written as `support@cpx` for one portal and `support` for all. Rights are read anew at every request, so a
change of them counts at once (OWASP ASVS 5.0 §8.3.2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select, update

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.account import Account
from idp.models.base import db, write
from idp.models.operator import (
    Operator,
    OperatorInvitation,
    OperatorRole,
    OperatorSession,
    consume_invitation,
    roles_of,
)
from idp.models.portal import Portal, find_portal
from idp.services.audit import Audit, AuditTag
from idp.services.emails import normalise_email
from idp.services.permissions import Permission, Rights, Role

INVITED_FOR = timedelta(hours=24)


class LastSuperuser(Exception):
    """Without this one nobody could change the operators any more."""


class Operators:
    def __init__(self, clock: Clock, random: Random, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._audit = audit

    def invite(self, typed: str, roles: Sequence[str], by: UUID | None) -> tuple[str, OperatorInvitation]:
        """The secret of an invitation, this once; it voids older ones to the same address. Raises `BadInput`."""
        email, held = normalise_email(typed), self._read(roles)
        if email is None:
            raise BadInput(f"{typed!r} is no e-mail address")
        if not held:
            raise BadInput("an operator needs a role at least")
        now, secret = self._clock.now(), token(self._random, "cc_oi_")
        older = update(OperatorInvitation).where(
            OperatorInvitation.email == email,
            OperatorInvitation.used_at.is_(None),
            OperatorInvitation.revoked_at.is_(None),
        )
        write(older.values(revoked_at=now))
        invitation = OperatorInvitation(
            id=new_id(self._random, now), token_hash=hash_of(secret), email=email, roles=_written(held), invited_by=by,
            created_at=now, expires_at=now + INVITED_FOR,
        )  # fmt: skip
        db.session.add(invitation)
        self._audit.record(AuditTag.OPERATOR_INVITED, account=by, roles=" ".join(invitation.roles))
        return secret, invitation

    def find_invitation(self, secret: str) -> OperatorInvitation | None:
        """The invitation of this secret that can still be used."""
        return db.session.scalar(
            select(OperatorInvitation).where(
                OperatorInvitation.token_hash == hash_of(secret),
                OperatorInvitation.used_at.is_(None),
                OperatorInvitation.revoked_at.is_(None),
                OperatorInvitation.expires_at > self._clock.now(),
            )
        )

    def accept(self, invitation: OperatorInvitation, account: Account) -> bool:
        """Make the account an operator with the roles of the invitation; False where it was used or revoked since."""
        now = self._clock.now()
        if not consume_invitation(invitation.id, now):
            return False
        operator = db.session.get(Operator, account.id)
        if operator is None:
            db.session.add(Operator(account_id=account.id, created_at=now))
            db.session.flush()
        else:
            operator.paused_at = None  # whoever invited them knows that it is they
        held = self._read(invitation.roles) | {(row.role, row.portal_id) for row in roles_of(account.id)}
        self._write(account.id, held, invitation.invited_by)
        self._audit.record(AuditTag.OPERATOR_JOINED, account=account.id, roles=" ".join(invitation.roles))
        return True

    def rights(self, account_id: UUID) -> Rights:
        """What this operator may do now; nothing while paused, or for an account that is no operator."""
        operator = db.session.get(Operator, account_id, populate_existing=True)
        if operator is None or operator.paused_at is not None:
            return Rights()
        everywhere, at = set[Role](), defaultdict[UUID, set[Role]](set)
        for row in roles_of(account_id):
            (at[row.portal_id] if row.portal_id else everywhere).add(Role(row.role))
        return Rights(frozenset(everywhere), {portal_id: frozenset(held) for portal_id, held in at.items()})

    def is_operator(self, account_id: UUID) -> bool:
        """Whether this account is one, at work or paused."""
        return db.session.get(Operator, account_id) is not None

    def load(self, typed: str) -> Account:
        """The account of an operator by its address. Raises `BadInput`."""
        found = db.session.scalar(
            select(Account)
            .join(Operator, Operator.account_id == Account.id)
            .where(Account.email == (normalise_email(typed) or ""))
        )
        if found is None:
            raise BadInput(f"there is no operator {typed!r}")
        return found

    def is_last_superuser(self, account_id: UUID) -> bool:
        """Whether nobody could change the operators any more without this one."""
        is_superuser = any(row.role == Role.SUPERUSER and row.portal_id is None for row in roles_of(account_id))
        return is_superuser and not self._has_other_superuser(account_id)

    def change_roles(self, account_id: UUID, roles: Sequence[str], by: UUID | None) -> None:
        """Replace what an operator holds. Raises `BadInput`, and `LastSuperuser` where nobody else would be one; who is
        at the machine itself can always make another.
        """
        before, after = roles_words(account_id), self._read(roles)
        if by is not None and (Role.SUPERUSER, None) not in after and not self._has_other_superuser(account_id):
            raise LastSuperuser
        self._write(account_id, after, by)
        self._audit.record(
            AuditTag.OPERATOR_CHANGED, account=by, operator=str(account_id), before=" ".join(before),
            after=" ".join(_written(after)),
        )  # fmt: skip

    def pause(self, account_id: UUID) -> None:
        """What opens the account was set anew, perhaps with no more than a stolen letter or an SMS: the console stays
        shut until somebody lets them in again. Nothing happens to an account that is no operator.
        """
        now = self._clock.now()
        paused = update(Operator).where(Operator.account_id == account_id, Operator.paused_at.is_(None))
        if write(paused.values(paused_at=now)) == 0:
            return
        self._audit.record(AuditTag.OPERATOR_PAUSED, account=account_id)
        ended = update(OperatorSession).where(
            OperatorSession.account_id == account_id, OperatorSession.ended_at.is_(None)
        )
        write(ended.values(ended_at=now))

    def resume(self, account_id: UUID, by: UUID) -> None:
        """Another operator knows that it is they."""
        write(update(Operator).where(Operator.account_id == account_id).values(paused_at=None))
        self._audit.record(AuditTag.OPERATOR_RESUMED, account=by, operator=str(account_id))

    def everybody(self) -> list[tuple[Operator, Account]]:
        """Every operator by name."""
        rows = db.session.execute(
            select(Operator, Account)
            .join(Account, Account.id == Operator.account_id)
            .order_by(Account.family_name, Account.given_name)
        )
        return [(row[0], row[1]) for row in rows]

    def who_may(self, permission: Permission, portal_id: UUID) -> list[Account]:
        """The operators at work who are allowed this at this portal, by name."""
        return [one for _, one in self.everybody() if self.rights(one.id).may(permission, portal_id)]

    def open_invitations(self) -> list[OperatorInvitation]:
        still_open = select(OperatorInvitation).where(
            OperatorInvitation.used_at.is_(None),
            OperatorInvitation.revoked_at.is_(None),
            OperatorInvitation.expires_at > self._clock.now(),
        )
        return list(db.session.scalars(still_open.order_by(OperatorInvitation.created_at)))

    def _has_other_superuser(self, account_id: UUID) -> bool:
        others = (
            select(OperatorRole.id)
            .join(Operator, Operator.account_id == OperatorRole.account_id)
            .join(Account, Account.id == OperatorRole.account_id)
            .where(
                OperatorRole.role == Role.SUPERUSER.value,
                OperatorRole.portal_id.is_(None),
                OperatorRole.account_id != account_id,
                Operator.paused_at.is_(None),
                Account.status == "active",
            )
        )
        return db.session.scalar(others.limit(1)) is not None

    def _read(self, roles: Iterable[str]) -> set[tuple[str, UUID | None]]:
        found = set[tuple[str, UUID | None]]()
        for written in roles:
            name, _, slug = written.partition("@")
            if name not in set(Role):
                raise BadInput(f"{name!r} is no role; there are {', '.join(Role)}")
            portal = find_portal(slug) if slug else None
            if slug and portal is None:
                raise BadInput(f"there is no portal {slug!r}")
            found.add((name, portal.id if portal else None))
        return found

    def _write(self, account_id: UUID, held: set[tuple[str, UUID | None]], by: UUID | None) -> None:
        now, before = self._clock.now(), {(row.role, row.portal_id): row.id for row in roles_of(account_id)}
        for key in before.keys() - held:
            db.session.execute(delete(OperatorRole).where(OperatorRole.id == before[key]))
        for role, portal_id in sorted(held - before.keys(), key=str):
            db.session.add(
                OperatorRole(
                    id=new_id(self._random, now), account_id=account_id, role=role, portal_id=portal_id, granted_at=now,
                    granted_by=by,
                )
            )  # fmt: skip
        db.session.flush()


def roles_words(account_id: UUID) -> tuple[str, ...]:
    """What an operator holds, as it is written."""
    return tuple(_written({(row.role, row.portal_id) for row in roles_of(account_id)}))


def _written(held: set[tuple[str, UUID | None]]) -> list[str]:
    ids = {portal_id for _, portal_id in held if portal_id}
    slugs = {row.id: row.slug for row in db.session.execute(select(Portal.id, Portal.slug).where(Portal.id.in_(ids)))}
    return sorted(f"{role}@{slugs[portal_id]}" if portal_id else role for role, portal_id in held)
