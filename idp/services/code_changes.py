"""Registration codes as operators see and change them: void, extend, one by one or many at once by the worker.

A code never lives longer than ninety days from its issue (ux.md §3.4), however often it is extended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, update

from idp.chance import Random, new_id
from idp.clock import Clock, swiss
from idp.models.base import db, write
from idp.models.code_change import CodeChange, finish_change, move_on
from idp.models.person import REGISTER, RegistrationCode, revoke_code
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.registration_codes import last_moment

MOST = 10_000  # codes of one change
EXTENDED_BY = (7, 14, 30)  # days from today
LONGEST = timedelta(days=90)  # from the issue
LEASE = timedelta(minutes=2)
ROWS = 200  # codes of one transaction


class CodeState(StrEnum):
    ISSUED = "issued"
    RESERVED = "reserved"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    REVOKED = "revoked"


class CodeAction(StrEnum):
    VOID = "void"
    EXTEND = "extend"


# What may be changed in which state; what was used or voided stays so.
CHANGEABLE = {
    CodeAction.VOID: (CodeState.ISSUED, CodeState.RESERVED),
    CodeAction.EXTEND: (CodeState.ISSUED, CodeState.RESERVED, CodeState.EXPIRED),
}


class CodeChanges:
    def __init__(self, clock: Clock, random: Random, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._audit = audit

    def listed(
        self, portals: Iterable[UUID] | None, portal_id: UUID | None, state: CodeState | None
    ) -> Select[RegistrationCode]:
        """The statement of a list of letter codes, for the portals that one may see; None stands for all."""
        found = select(RegistrationCode).where(RegistrationCode.purpose == REGISTER)
        if portals is not None:
            found = found.where(RegistrationCode.portal_id.in_(portals))
        if portal_id is not None:
            found = found.where(RegistrationCode.portal_id == portal_id)
        return found if state is None else found.where(*in_state(state, self._clock.now()))

    def count(self, portal_id: UUID, state: CodeState) -> int:
        """How many codes; of more than may be changed at once one more than that, for the rest makes no difference."""
        found = self.listed(None, portal_id, state).with_only_columns(RegistrationCode.id).limit(MOST + 1).subquery()
        return db.session.scalar(select(func.count()).select_from(found)) or 0

    def refusal(self, action: CodeAction, code: RegistrationCode) -> str | None:
        """The message key of why this cannot be done with this code now; None where it can."""
        now = self._clock.now()
        if code.person.account_id is not None or code.state(now) not in CHANGEABLE[action]:
            return f"cod.e.{action}"
        if action is CodeAction.EXTEND and latest(code) <= max(code.expires_at, now):
            return "cod.e.longest"
        return None

    def void(self, code: RegistrationCode, by: UUID | None = None) -> bool:
        """False where it was used or voided this very moment."""
        if not revoke_code(code.id, self._clock.now()):
            return False
        self._record(AuditTag.CODE_REVOKED, code, by)
        return True

    def extend(self, code: RegistrationCode, until: date, by: UUID | None = None) -> bool:
        """Good until the end of this day, or of the last day that there may be; never shorter than it was."""
        expires_at = min(last_moment(until), latest(code))
        if expires_at <= code.expires_at:
            return False
        is_open = (RegistrationCode.redeemed_at.is_(None), RegistrationCode.revoked_at.is_(None))
        extended = update(RegistrationCode).where(RegistrationCode.id == code.id, *is_open)
        if not write(extended.values(expires_at=expires_at).execution_options(synchronize_session=False)):
            return False
        self._record(AuditTag.CODE_EXTENDED, code, by, until.isoformat())
        return True

    def day_in(self, days: int) -> date:
        return swiss(self._clock.now()).date() + timedelta(days=days)

    def change_all(
        self, portal: Portal, action: CodeAction, state: CodeState, until: date | None, by: UUID
    ) -> CodeChange | None:
        """Leave it to the worker; None where there is nothing to change in this state, or too much."""
        count, now = self.count(portal.id, state), self._clock.now()
        if state not in CHANGEABLE[action] or not 0 < count <= MOST:
            return None
        change = CodeChange(
            id=new_id(self._random, now), portal_id=portal.id, action=action.value, code_state=state.value, until=until,
            made_by=by, made_at=now, count=count, done=0,
        )  # fmt: skip
        db.session.add(change)
        self._audit.record(
            AuditTag.CODES_CHANGED, account=by, portal=portal.id, action=action.value, state=state.value,
            count=str(count),
        )  # fmt: skip
        return change

    def go_on(self, change: CodeChange) -> bool:
        """Change some codes; False when the change is over. Only codes that were there when it was made are met."""
        now = self._clock.now()
        made_before = (RegistrationCode.issued_at <= change.made_at,)
        after = () if change.last_id is None else (RegistrationCode.id > change.last_id,)
        found = self.listed(None, change.portal_id, CodeState(change.code_state)).where(*made_before, *after)
        codes = db.session.scalars(found.order_by(RegistrationCode.id).limit(ROWS)).all()
        if not codes:
            finish_change(change.id, now)
            return False
        done = sum(self._apply(change, codes))
        if not move_on(change, codes[-1].id, done, now + LEASE):
            db.session.rollback()
            return False
        return True

    def _apply(self, change: CodeChange, codes: Sequence[RegistrationCode]) -> Iterable[bool]:
        for code in codes:
            if change.until is None:
                yield self.void(code, change.made_by)
            elif self.refusal(CodeAction.EXTEND, code) is None:
                yield self.extend(code, change.until, change.made_by)

    def _record(self, tag: AuditTag, code: RegistrationCode, by: UUID | None, until: str = "") -> None:
        """The worker has no operator of its own: whose change it makes stands in the detail."""
        whose, person = str(by) if by else "", code.person
        self._audit.record(tag, person=person.id, portal=person.portal_id, until=until, by=whose)


def latest(code: RegistrationCode) -> datetime:
    """The last moment that this code may have."""
    return last_moment(swiss(code.issued_at + LONGEST).date())


def in_state(state: CodeState, now: datetime) -> list[ColumnElement[bool]]:
    """As `RegistrationCode.state` says it of one."""
    code = RegistrationCode
    if state is CodeState.REDEEMED:
        return [code.redeemed_at.is_not(None)]
    if state is CodeState.REVOKED:
        return [code.redeemed_at.is_(None), code.revoked_at.is_not(None)]
    is_open = [code.redeemed_at.is_(None), code.revoked_at.is_(None)]
    if state is CodeState.EXPIRED:
        return [*is_open, code.expires_at <= now]
    is_begun = code.reserved_at.is_not(None) if state is CodeState.RESERVED else code.reserved_at.is_(None)
    return [*is_open, code.expires_at > now, is_begun]
