"""R4: the second item of the record, missing names, the password and the choice of factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved, Revisit
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.services.attempts import SECOND_ITEM
from idp.services.audit import AuditTag
from idp.services.phones import BadNumber, read_mobile
from idp.web.forms import line, read_date


@dataclass(frozen=True, repr=False)
class DetailsView:
    email: str
    asks_given_name: bool
    asks_family_name: bool
    asks_birth_date: bool
    factors: tuple[str, ...]
    password_hint: str


def load_person(person_id: str) -> InsuredPerson:
    return db.session.get_one(InsuredPerson, UUID(person_id))


def check_birth_date(ctx: Context, person: InsuredPerson, typed: str) -> Message | None:
    """The second item of the record. A readable date is a guess: it is paid for before it is compared."""
    read = read_date(typed, ctx.today)
    if isinstance(read, str):
        return Message(read)
    if refused := ctx.services.attempts.spend(SECOND_ITEM, str(person.id)):
        return ctx.wait(refused)
    if read != person.birth_date:
        ctx.record_refusal(AuditTag.SECOND_ITEM_REFUSED, person=person.id, portal=ctx.portal.id)
        return Message("e.dob.mismatch")
    return None


def forgive_birth_date(ctx: Context, person: InsuredPerson) -> None:
    """The date was right. Apart, because this begins a write and no password may be hashed while one is open."""
    ctx.services.attempts.forgive(SECOND_ITEM, str(person.id))


def switch_factor(ctx: Context, target: str) -> Outcome | None:
    """The button for the other factor of R5 and R6. Without a number yet, SMS leads back to the details."""
    if target not in ctx.portal.factors:
        return None
    entries = {"factor": target}
    if target == "sms" and not ctx.state.mobile:
        return Revisit("details", "mobile", entries)
    facts = {name: getattr(ctx.state, name) for name in DetailsStep.proves}
    return Proved(facts | entries, of="details", entries=entries)


class DetailsStep(Step):
    name = "details"
    proves = frozenset({"given_name", "family_name", "password_hash", "factor", "mobile"})
    keeps = ("given_name", "family_name", "birth_date", "factor", "mobile", "terms")
    hashes = True

    def show(self, ctx: Context) -> Screen:
        person = load_person(ctx.state.person_id)
        return Screen(
            "flows/details.html",
            ctx.text("r4.title"),
            DetailsView(
                email=ctx.state.email,
                asks_given_name=not person.given_name,
                asks_family_name=not person.family_name,
                asks_birth_date=ctx.portal.second_item == "birth_date",
                factors=tuple(ctx.portal.factors),
                password_hint=ctx.text("r4.pw.keep" if ctx.state.password_hash else "r4.pw.hint"),
            ),
            step=(4, 5),
            back=ctx.link("register/email"),
        )

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        person = load_person(ctx.state.person_id)
        given = person.given_name or line(answer.get("given_name"))[:100]
        family = person.family_name or line(answer.get("family_name"))[:100]
        errors: dict[str, Message] = {}
        if not given:
            errors["given_name"] = Message("e.given.empty")
        if not family:
            errors["family_name"] = Message("e.family.empty")
        factor, mobile = answer.get("factor", ""), ""
        password = answer.get("password", "")
        if password or not ctx.state.password_hash:
            own = (given, family, ctx.state.email.split("@")[0], ctx.state.email, ctx.portal.short_name)
            if bad := ctx.services.passwords.problem(password, own):
                errors["password"] = Message(bad.reason, {"n": bad.length})
        if factor not in ctx.portal.factors:
            errors["factor"] = Message("e.factor.empty")
        elif factor == "sms":
            read = read_mobile(answer.get("mobile", ""), ctx.services.settings.sms_countries)
            if isinstance(read, BadNumber):
                errors["mobile"] = Message(read.reason)
            elif ctx.services.challenges.sms_is_stopped(ctx.portal):
                errors["factor"] = Message("e.sms.stopped")
            else:
                mobile = read
        if not answer.get("terms"):
            errors["terms"] = Message("e.terms.empty")
        asks_date = ctx.portal.second_item == "birth_date"
        wrong = check_birth_date(ctx, person, answer.get("birth_date", "")) if asks_date else None
        if wrong:
            errors = {"birth_date": wrong, **errors}
        hashed = ctx.state.password_hash
        if password and not errors:
            db.session.commit()  # no connection is held while the processor hashes
            hashed = ctx.services.passwords.hash(password)
        if asks_date and not wrong:
            forgive_birth_date(ctx, person)
        if errors:
            return retry(**errors)
        facts: dict[str, Any] = {
            "given_name": given, "family_name": family, "password_hash": hashed, "factor": factor, "mobile": mobile,
        }  # fmt: skip
        return Proved(facts)
