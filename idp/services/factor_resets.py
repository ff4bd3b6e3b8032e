"""A second factor is set up anew for a caller: asked for by one operator, approved by another, a day later, and told.

Until it is used, its owner stops it by the link of the mail, in the account, or by signing in with what they have; any
operator stops it too (security.md F-37, N-14). The person still proves the password; nobody at the desk meets a code.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock
from idp.models import factor_reset as resets
from idp.models.account import Account, load_account
from idp.models.base import db
from idp.models.factor_reset import FactorReset, is_ready, lives
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.accounts import Accounts
from idp.services.audit import Audit, AuditTag
from idp.services.desk import is_colleague
from idp.services.notices import Notices
from idp.services.operators import Operators
from idp.services.outbox import Outbox
from idp.services.permissions import Permission
from idp.settings import Settings
from idp.texts import Texts, format_moment

A_DAY = 20
DAY = timedelta(days=1)
BY_OPERATOR, BY_OWNER = AuditTag.RESET_STOPPED, AuditTag.RESET_REFUSED


class FactorResets:
    def __init__(
        self, settings: Settings, clock: Clock, random: Random, texts: Texts, accounts: Accounts, operators: Operators,
        outbox: Outbox, notices: Notices, audit: Audit,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._clock = clock
        self._random = random
        self._texts = texts
        self._accounts = accounts
        self._operators = operators
        self._outbox = outbox
        self._notices = notices
        self._audit = audit

    def of(self, person: InsuredPerson) -> FactorReset | None:
        """The one that waits for something; one at a time for each record."""
        return db.session.scalar(resets.newest_of(person.id).where(lives(self._clock.now())))

    def refusal_to_ask(self, person: InsuredPerson, account: Account | None, by: UUID) -> str | None:
        """The message key of why this operator cannot ask now; None where they can."""
        if account is not None and account.id == by:
            return "per.e.self"
        if account is None or not account.is_active:
            return "res.e.none"
        if is_colleague(person) or self._operators.is_operator(account.id):
            return "res.e.colleague"
        if self.of(person) is not None:
            return "res.e.asked"
        return self._too_many(by)

    def ask(self, person: InsuredPerson, account: Account, by: UUID, reason: str, told: str) -> FactorReset:
        """What the caller had said is recorded beside the reason. Raises IntegrityError when a colleague was faster."""
        now = self._clock.now()
        resets.end_lapsed(person.id, now)
        reset = FactorReset(
            id=new_id(self._random, now), account_id=account.id, insured_person_id=person.id,
            portal_id=person.portal_id, reason=reason, asked_by=by, asked_at=now,
        )  # fmt: skip
        db.session.add(reset)
        db.session.flush()
        self._record(AuditTag.RESET_ASKED, reset, reason=reason, told=told)
        return reset

    def refusal_to_approve(self, reset: FactorReset, person: InsuredPerson, account: Account, by: UUID) -> str | None:
        """The same for the second operator; the first one must still be allowed to have asked."""
        if account.id == by:
            return "per.e.self"
        if reset.asked_by == by:
            return "res.e.same"
        if not account.is_active or person.account_id != reset.account_id:
            return "res.e.none"
        if is_colleague(person) or self._operators.is_operator(account.id):
            return "res.e.colleague"
        if not self._operators.rights(reset.asked_by).may(Permission.HELP_PERSON, reset.portal_id):
            return "res.e.asker"
        return self._too_many(by)

    def approve(self, reset: FactorReset, by: UUID) -> bool:
        """From now on it cools off, and its owner knows; False where it was approved or stopped this very moment."""
        secret = token(self._random, "cc_fr_")
        if not resets.approve(reset.id, by, hash_of(secret), self._clock.now()):
            return False
        db.session.refresh(reset)
        self._record(AuditTag.RESET_APPROVED, reset)
        self._announce(reset, secret)
        return True

    def find(self, secret: str) -> FactorReset | None:
        """The one that the link of a mail speaks of, while it can be stopped."""
        by_secret = select(FactorReset).where(FactorReset.stop_hash == hash_of(secret), lives(self._clock.now()))
        return db.session.scalar(by_secret.execution_options(populate_existing=True))

    def approved_of(self, account_id: UUID) -> list[FactorReset]:
        """Those that their owner was told of and may stop."""
        mine = (FactorReset.account_id == account_id, FactorReset.approved_at.is_not(None), lives(self._clock.now()))
        return list(db.session.scalars(select(FactorReset).where(*mine).order_by(FactorReset.approved_at)))

    def ready(self, account_id: UUID, portal: Portal) -> FactorReset | None:
        """The one by which the owner of this account may set up a new factor at this portal now."""
        mine = (FactorReset.account_id == account_id, FactorReset.portal_id == portal.id)
        return db.session.scalar(select(FactorReset).where(*mine, is_ready(self._clock.now())).limit(1))

    def use(self, account_id: UUID, portal: Portal) -> bool:
        """Use it up; False where it was stopped meanwhile. The caller sets up the new factor and commits."""
        found = self.ready(account_id, portal)
        if found is None or not resets.use(found.id, self._clock.now()):
            return False
        self._record(AuditTag.RESET_USED, found)
        return True

    def stop(self, reset: FactorReset, tag: AuditTag, *, device: str = "", place: str = "") -> bool:
        """End it for good and tell the owner where they knew of it; False when it was used or ended before."""
        if not resets.stop(reset.id, self._clock.now()):
            return False
        self._record(tag, reset)
        if reset.approved_at is not None:
            self._tell("resetStopped", reset, device, place)
        return True

    def stop_all(self, account_id: UUID, *, device: str, place: str) -> None:
        """Whoever has the present factor, or a new one, needs none of them (security.md F-41)."""
        for ident in resets.stop_all(account_id, self._clock.now()):
            reset = db.session.get_one(FactorReset, ident, populate_existing=True)
            self._record(BY_OWNER, reset)
            if reset.approved_at is not None:
                self._tell("resetStopped", reset, device, place)

    def _too_many(self, by: UUID) -> str | None:
        return "res.e.many" if resets.count_deeds(by, self._clock.now() - DAY) >= A_DAY else None

    def _record(self, tag: AuditTag, reset: FactorReset, **detail: str) -> None:
        self._audit.record(
            tag, person=reset.insured_person_id, account=reset.account_id, portal=reset.portal_id, **detail
        )

    def _announce(self, reset: FactorReset, secret: str) -> None:
        """By mail, with the link that stops it, and by SMS to the number that is about to be given up."""
        account, portal = load_account(reset.account_id), reset.person.portal
        link, spoken = f"{self._settings.issuer}/account/reset/stop?reset={secret}", account.language
        at = format_moment(reset.ready_at) if reset.ready_at else ""
        added = (
            self._texts.get(spoken, "res.mail", time=at, portal=portal.name(spoken)),
            self._texts.get(spoken, "res.mail.stop", url=link),
        )
        self._tell("reset", reset, added=added)
        if number := self._accounts.factors(account.id).phone:
            self._outbox.sms("reset", to=number, language=spoken, portal=portal, values={})

    def _tell(
        self, event: str, reset: FactorReset, device: str = "", place: str = "", added: tuple[str, ...] = ()
    ) -> None:
        account, portal = load_account(reset.account_id), reset.person.portal
        desk, at = self._texts.get(account.language, "device.desk"), portal.name(account.language)
        self._notices.tell(event, account, portal=portal, device=device or desk, place=place or at, added=added)
