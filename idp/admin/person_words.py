"""What the desk reads of a person, in plain words of the operator's language; never a code, a seed or a password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from idp.admin.audit import actor_names
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.letter_order import waiting_order
from idp.models.passkey import passkeys_of
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.dossier import Message
from idp.services.persons import standing
from idp.services.phones import show_number
from idp.texts import format_date, format_day, format_moment, format_time
from idp.web.i18n import language, text
from idp.web.network import device_name

# What the record of events says of a person, each with its own words; everything else stands in the audit only.
TOLD = tuple(
    tag
    for tag in AuditTag
    if tag.value.startswith("person:") or tag in {
        AuditTag.CODE_ISSUED, AuditTag.CODE_REVOKED, AuditTag.CODE_EXTENDED, AuditTag.PERSON_REVEALED,
        AuditTag.UNLOCKED, AuditTag.SESSIONS_ENDED, AuditTag.LETTER_ORDERED, AuditTag.LETTER_RETURNED,
        AuditTag.RESET_ASKED, AuditTag.RESET_APPROVED, AuditTag.RESET_STOPPED, AuditTag.NOTE_WRITTEN,
        AuditTag.CODE_RESENT,
    }
)  # fmt: skip
METHODS = ("sms", "app", "passkey", "synced_passkey", "recovery")
MESSAGES = ("waiting", "sending", "sent", "delivered", "bounced", "expired", "dead")


@dataclass(frozen=True, repr=False)
class FactView:
    """`was_told`: the caller had said it before it was shown."""

    label: str
    values: tuple[str, ...]
    was_told: bool


@dataclass(frozen=True, repr=False)
class LetterView:
    issued: str
    until: str
    state: str


def situation(found: InsuredPerson, account: Account | None, portals: Mapping[UUID, Portal]) -> tuple[str, ...]:
    """Where the person stands and what they wait for, one sentence each."""
    bundle, now = services(), services().clock.now()
    locks = bundle.locks.of(account, found.id)
    codes = bundle.dossiers.codes(found)
    state = standing(account, codes[0] if codes else None, now, is_locked=False)
    said = [text(f"per.is.{state}", date=format_day(codes[0].expires_at) if codes else "")]
    if waiting_order(found.id) is not None:
        said = [text("per.is.ordered")]
    if waits := bundle.dossiers.waits(found, account, portals.keys()):
        said.append(text(f"per.waits.{waits.step}", time=format_moment(waits.since)))
    said += [text(f"per.lock.{one.kind}", time=_until(one.until, now)) for one in locks]
    if (reset := bundle.factor_resets.of(found)) is not None:
        said.append(text(f"res.is.{reset.state(now)}", time=format_moment(reset.ready_at or reset.asked_at)))
    newest = bundle.dossiers.messages(found, account, portals.keys())[:1]
    said += [
        text("per.undelivered", how=text(f"per.by.{one.channel}")) for one in newest if one.state in {"dead", "bounced"}
    ]
    return tuple(said)


def _until(at: datetime, now: datetime) -> str:
    return text("per.forever") if (at - now).days > 365 else format_moment(at)


def facts(found: InsuredPerson, account: Account | None, told: Sequence[str]) -> tuple[FactView, ...]:
    """Everything that is hidden otherwise."""
    names = {f"{one.given_name} {one.family_name}".strip() for one in (found, account) if one is not None}
    number = services().accounts.factors(account.id).phone if account else None
    more = [*found.address, *([account.email] if account else []), *([show_number(number)] if number else [])]
    return (
        FactView(text("adm.name"), tuple(sorted(filter(None, names))), "name" in told),
        FactView(text("per.birth"), (format_date(found.birth_date),), "birth" in told),
        FactView(text("per.number"), (found.insured_number,), "number" in told),
        FactView(text("per.reference"), (found.external_id,), was_told=False),
        FactView(text("per.more"), tuple(more), "more" in told),
    )


def letters(found: InsuredPerson) -> tuple[LetterView, ...]:
    """Each letter with what became of it."""
    now, shown = services().clock.now(), []
    if order := waiting_order(found.id):
        shown.append(LetterView(format_moment(order.ordered_at), "–", text("per.letter.ordered")))
    for code in services().dossiers.codes(found):
        state = code.state(now)
        at = code.redeemed_at or code.revoked_at or code.reserved_at
        words = text(f"per.letter.{state}", time=format_moment(at) if at else "")
        shown.append(LetterView(format_moment(code.issued_at), format_day(code.expires_at), words))
    return tuple(shown)


def things(account: Account | None, portals: Mapping[UUID, Portal]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What the account has: factors, sessions, and the portals that the operator may know of."""
    if account is None:
        return ()
    bundle, known = services(), _factors(account)
    sessions = tuple(
        f"{device_name(one.user_agent) or text('device.unknown')}: "
        f"{text('acc.used', since=format_moment(one.auth_time), seen=format_moment(one.seen_at))}"
        for one in bundle.sessions.live(account)
    )
    names = tuple(one.name(language()) for one in bundle.accounts.portals_of(account.id) if one.id in portals)
    return (
        (text("acc.factor"), known or (text("per.nothing"),)),
        (text("acc.sessions"), sessions or (text("per.nothing"),)),
        (text("per.portals"), names),
    )


def _factors(account: Account) -> tuple[str, ...]:
    """The second factors; of a number the last two digits only."""
    bundle = services()
    factors, left = bundle.accounts.factors(account.id), bundle.recovery_codes.left(account.id)
    words = {"app": text("r4.app"), "sms": text("acc.factor.sms", last2=(factors.phone or "")[-2:])}
    keys = len(passkeys_of(account.id))
    return (
        *(words[name] for name in factors.names),
        *([text("per.passkeys", n=keys)] if keys else []),
        *([text("per.codes", n=left)] if left else []),
    )


def history(
    found: InsuredPerson, account: Account | None, portals: Mapping[UUID, Portal]
) -> tuple[tuple[str, str, str], ...]:
    """When, what, and by which operator; newest first."""
    rows = services().dossiers.events(found, account, portals.keys())
    names = actor_names({row.actor_id for row in rows})
    told = [
        (row.at, _event(row), names.get(row.actor_id, "") if row.actor_id else "")
        for row in rows
        if row.tag in {tag.value for tag in TOLD}
    ]
    told += [(one.at, _sent(one), "") for one in services().dossiers.messages(found, account, portals.keys())]
    told.sort(key=lambda one: one[0], reverse=True)
    return tuple((format_moment(at), words, actor) for at, words, actor in told)


def _sent(one: Message) -> str:
    state = one.state if one.state in MESSAGES else "expired"
    at = format_time(one.settled_at) if one.settled_at else ""
    return text(f"per.sent.{state}", how=text(f"per.by.{one.channel}"), time=at).strip()


def _event(row: AuditEvent) -> str:
    words = text(f"ev.{row.tag.replace(':', '.')}")
    method = row.detail.get("method") or row.detail.get("kind")
    if method in METHODS:
        return f"{words} ({text(f'per.how.{method}')})"
    if row.tag == AuditTag.PERSON_REVEALED.value:
        return f"{words} ({text('per.reason.' + row.detail.get('reason', 'call'))})"
    return words
