"""What helps during a call: notes about the person, and the code on its way sent once more.

The desk names no address and sees no code: the new one goes where this very walk has sent one already, within the
limits that the person has too (services/challenges.py).
"""

from __future__ import annotations

from uuid import UUID

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.account import Account
from idp.models.base import db
from idp.models.call_note import CallNote, notes_of
from idp.models.flow import FlowRun
from idp.models.person import InsuredPerson
from idp.services.accounts import Accounts
from idp.services.audit import Audit, AuditTag
from idp.services.challenges import Challenges, Errand, Kind, Purpose, Stopped, Wait
from idp.services.dossier import Dossiers
from keys import Vault

LONGEST = 1000


class Calls:
    def __init__(
        self, clock: Clock, random: Random, vault: Vault, accounts: Accounts, challenges: Challenges,
        dossiers: Dossiers, audit: Audit,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._random = random
        self._vault = vault
        self._accounts = accounts
        self._challenges = challenges
        self._dossiers = dossiers
        self._audit = audit

    def note(self, person: InsuredPerson, by: UUID, written: str) -> None:
        """Append a note; that one was written is recorded, not what it says."""
        now = self._clock.now()
        ident = new_id(self._random, now)
        sealed = self._vault.seal(written.encode(), f"call_note.sealed_text.{ident}")
        db.session.add(
            CallNote(id=ident, insured_person_id=person.id, written_by=by, written_at=now, sealed_text=sealed)
        )
        self._audit.record(AuditTag.NOTE_WRITTEN, person=person.id, account=person.account_id, portal=person.portal_id)

    def notes(self, person: InsuredPerson) -> list[tuple[CallNote, str]]:
        """The notes about a person with what they say, newest first."""
        return [(one, self._open(one)) for one in notes_of(person.id)]

    def errand(self, person: InsuredPerson, account: Account | None) -> Errand | None:
        """What would be sent anew: the code for which the person's walk at this portal waits."""
        run = self._dossiers.run(person, account, [person.portal_id])
        if run is None:
            return None
        found = [one for one in self._possible(run, person, account) if self._is_on_its_way(one)]
        return found[0] if found else None

    def resend(self, person: InsuredPerson, errand: Errand) -> Wait | Stopped | None:
        """Send a new code, or say why not."""
        refused = self._challenges.send(errand)
        if refused is None:
            self._audit.record(
                AuditTag.CODE_RESENT, person=person.id, account=person.account_id, portal=person.portal_id,
                kind=errand.kind.value,
            )  # fmt: skip
        return refused

    def _possible(self, run: FlowRun, person: InsuredPerson, account: Account | None) -> list[Errand]:
        """The addresses that this walk may have sent a code to, those asked for last first."""
        portal, spoken = person.portal, account.language if account else person.language or "fr"
        if run.journey == "registration":
            mobile, email = run.state.get("mobile"), run.state.get("email")
            is_taken = bool(email) and self._accounts.exists(str(email))
            texted = Errand(Kind.SMS, str(mobile), run.id, portal, spoken, letter=person.id)
            mailed = Errand(Kind.EMAIL, str(email), run.id, portal, spoken, letter=person.id, is_void=is_taken)
            return [*([texted] if mobile else []), *([mailed] if email and not run.state.get("email_proved") else [])]
        if account is None:
            return []
        number = self._accounts.factors(account.id).phone
        purpose = Purpose.RESET if run.journey == "reset" else Purpose.CONFIRM
        return [
            *([Errand(Kind.SMS, number, run.id, portal, spoken)] if number else []),
            Errand(Kind.EMAIL, account.email, run.id, portal, spoken, purpose=purpose),
        ]

    def _is_on_its_way(self, errand: Errand) -> bool:
        newest = self._challenges.newest(errand.run_id, errand.kind, errand.recipient)
        return newest is not None and newest.used_at is None

    def _open(self, note: CallNote) -> str:
        return self._vault.open(note.sealed_text, f"call_note.sealed_text.{note.id}").decode()
