"""The code of a recovery letter, in place of the factor that is lost, beside the password or the mail code.

Two channels prove the person (NIST SP 800-63B-4 §4.2). Reserved here, redeemed only when the new factor is proved.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved, Restart
from flows.steps.lock import Place, factor_lock, lock_begins
from idp.services import registration_codes as codes
from idp.services.attempts import RECOVERY_LETTER, Refused
from idp.services.audit import AuditTag
from idp.texts import format_day

FIELD = "letter_code"


class LetterCodeStep(Step):
    name = "letter_code"
    guesses = True
    proves = frozenset({"factor_proved", "letter_code_id"})

    def __init__(self, place: Place) -> None:
        self._place = place

    def applies(self, state: Any) -> bool:
        return bool(state.method == "letter")

    def recheck(self, ctx: Context) -> Restart | None:
        """Used, cancelled, or taken to another device meanwhile. A code reserved in time may expire on the way."""
        row = ctx.services.registration_codes.holder(UUID(ctx.state.letter_code_id))
        if row is None or row.revoked_at is not None or row.person.account_id != ctx.state.account():
            return Restart(self.name, FIELD, Message("e.code.unknown"))
        if row.redeemed_at is not None:
            return Restart(self.name, FIELD, Message("e.code.used"))
        return None if row.reserved_by == ctx.run_id else Restart(self.name, FIELD, Message("r1.taken"))

    def show(self, ctx: Context) -> Screen:
        return Screen("flows/letter_code.html", ctx.text("lt.code"), back=ctx.link(self._place.methods))

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        code, account_id = codes.normalise(answer.get(FIELD, "")), ctx.state.account()
        if wrong := codes.problem(code):
            return _again(Message(f"e.code.{wrong}" if code else "e.lt.empty", {"n": len(code)}))
        paid = ctx.pay(RECOVERY_LETTER, str(account_id))
        if isinstance(paid, Refused):
            return factor_lock(ctx, "letter") or _again(ctx.wait(paid))
        found = ctx.services.registration_codes.look_up_recovery(ctx.portal, account_id, code)
        if isinstance(found, codes.Unknown):
            if paid.begins_lock:
                lock_begins(ctx, account_id)
            ctx.record_refusal(AuditTag.FACTOR_REFUSED, account=account_id, portal=ctx.portal.id, kind="letter")
            return factor_lock(ctx, "letter") or _again(Message("e.code.unknown"))
        ctx.services.attempts.forgive(RECOVERY_LETTER, str(account_id))
        if isinstance(found, codes.Expired):
            return _again(Message("e.lt.expired", {"date": format_day(found.at)}))
        if isinstance(found, codes.Used) or not ctx.services.registration_codes.reserve(found.code, ctx.run_id):
            return _again(Message("e.code.used"))
        person = found.code.insured_person_id
        ctx.services.audit.record(AuditTag.CODE_RESERVED, account=account_id, person=person, portal=ctx.portal.id)
        return Proved({"factor_proved": True, "letter_code_id": str(found.code.id)})


def _again(message: Message) -> Outcome:
    return retry(**{FIELD: message})
