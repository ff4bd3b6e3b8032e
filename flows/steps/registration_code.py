"""R1: the code of the letter. Reserved here, redeemed only when the journey finishes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved, Restart
from idp.services import registration_codes as codes
from idp.services.attempts import LETTER_CODE
from idp.services.audit import AuditTag
from idp.services.throttle import Volume
from idp.texts import format_day
from idp.web.network import limit


@dataclass(frozen=True)
class CodeView:
    login_url: str
    is_link: bool
    is_used: bool


class RegistrationCodeStep(Step):
    name = "registration_code"
    proves = frozenset({"code_id", "person_id"})

    def __init__(self, *, is_link: bool = False) -> None:
        self._is_link = is_link

    def recheck(self, ctx: Context) -> Restart | None:
        """Used, voided, or taken to another device meanwhile. A code reserved in time may expire on the way."""
        row = ctx.services.registration_codes.holder(UUID(ctx.state.code_id))
        if row is None or row.revoked_at is not None:
            return Restart(self.name, "code", Message("e.code.unknown"))
        if row.redeemed_at is not None:
            return Restart(self.name, "code", Message("e.code.used"))
        return None if row.reserved_by == ctx.run_id else Restart(self.name, "code", Message("r1.taken"))

    def show(self, ctx: Context) -> Screen:
        wrong = ctx.run.errors.get(self.name, {}).get("code", [])
        return Screen(
            "flows/registration_code.html",
            ctx.text("r1.title"),
            CodeView(f"/{ctx.portal.slug}/login", self._is_link, is_used=wrong[:1] == ["e.code.used"]),
            step=None if self._is_link else (1, 5),
            back=f"/{ctx.portal.slug}/login",
            status=ctx.text("l.noportal") if self._is_link else None,
        )

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        code = codes.normalise(answer.get("code", ""))
        if wrong := codes.problem(code):
            return retry(code=Message(f"e.code.{wrong}", {"n": len(code)}))
        limit(Volume.LETTER_CODES)
        if refused := ctx.services.attempts.spend(LETTER_CODE, ctx.letter_subject):
            return retry(code=ctx.wait(refused))
        found = ctx.services.registration_codes.look_up(ctx.portal, code)
        if isinstance(found, codes.Unknown):
            ctx.record_refusal(AuditTag.CODE_REFUSED, portal=ctx.portal.id)
            return retry(code=Message("e.code.unknown"))
        # A right code excuses no wrong one: whoever holds a letter may not guess at others' for ever.
        ctx.services.attempts.give_back(LETTER_CODE, ctx.letter_subject)
        if isinstance(found, codes.Used):
            return retry(code=Message("e.code.used"))
        if isinstance(found, codes.Expired):
            return retry(code=Message("e.code.expired", {"date": format_day(found.at)}))
        if not ctx.services.registration_codes.reserve(found.code, ctx.run_id):
            return retry(code=Message("e.code.used"))
        person = found.code.person
        ctx.services.audit.record(AuditTag.CODE_RESERVED, person=person.id, portal=ctx.portal.id)
        facts: dict[str, Any] = {"code_id": str(found.code.id), "person_id": str(person.id)}
        return Proved(facts)
