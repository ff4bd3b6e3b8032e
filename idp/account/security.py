"""What opens the account: password, second factors, recovery codes; and the sessions that are open (ux.md §4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, make_response, redirect, request
from werkzeug.wrappers import Response

from idp.account.entrance import frame, home, sign_in_first
from idp.models.account import load_account
from idp.models.base import db
from idp.models.passkey import passkeys_of
from idp.models.portal import Portal
from idp.models.session import Session
from idp.models.trusted_device import TrustedDevice
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.recovery_codes import SHOWN_FOR
from idp.texts import format_day, format_moment, format_time
from idp.web.forms import FormView
from idp.web.i18n import text
from idp.web.network import device_name
from idp.web.render import page
from idp.web.session import current_session

blueprint = Blueprint("security", __name__)
DONE = {"yes": "acc.ended", "untrusted": "acc.trusted.done"}


@dataclass(frozen=True, repr=False)
class MethodView:
    """One kind of second factor: in words where the account has it, and the address where it is set up."""

    name: str
    words: str
    address: str


@dataclass(frozen=True, repr=False)
class SecurityView:
    """`slug` is the portal at which changes are made; the rest is in words."""

    slug: str
    passkeys: str
    password: str
    methods: tuple[MethodView, ...]
    codes: str
    letters: tuple[tuple[UUID, str], ...]


@dataclass(frozen=True, repr=False)
class CodesView:
    codes: tuple[str, ...]
    until: str
    left: str
    make_url: str


@dataclass(frozen=True, repr=False)
class SessionView:
    id: UUID
    device: str
    used: str
    is_here: bool


@dataclass(frozen=True, repr=False)
class TrustedView:
    id: UUID
    device: str
    since: str
    used: str
    until: str


@dataclass(frozen=True, repr=False)
class SessionsView:
    sessions: tuple[SessionView, ...]
    has_others: bool
    trusted: tuple[TrustedView, ...]


@blueprint.get("/account/security")
def security() -> Response:
    session = current_session()
    if session is None:
        return sign_in_first("security")
    bundle, account_id = services(), session.account_id
    standing = bundle.accounts.standing(account_id)
    since = format_day(standing.password_changed_at) if standing else ""
    portal = home(session)
    view = SecurityView(
        slug=portal.slug,
        passkeys=", ".join(one.name for one in passkeys_of(account_id)) or text("pk.empty"),
        password=text("acc.pw.since", date=since),
        methods=_methods(account_id, portal),
        codes=_left(account_id),
        letters=_letters(account_id),
    )
    status = text("c.saved") if request.args.get("done") else None
    return page("account/security.html", frame(text("acc.security"), form=FormView(), status=status), view)


@blueprint.get("/account/security/codes")
def codes() -> Response:
    """The codes, for ten minutes in the session that made them; afterwards how many are left."""
    session = current_session()
    if session is None:
        return sign_in_first()
    bundle = services()
    shown = tuple(bundle.recovery_codes.shown(session))
    made_at = bundle.recovery_codes.made_at(session.account_id)
    view = CodesView(
        codes=shown,
        until=text("rec.until", time=format_time(made_at + SHOWN_FOR)) if made_at else "",
        left=_left(session.account_id),
        make_url=f"/{home(session).slug}/account/codes",
    )
    return page("account/codes.html", frame(text("rec.codes"), back="/account/security"), view)


@blueprint.get("/account/security/codes.txt")
def codes_file() -> Response:
    """The same as a file to be saved or printed."""
    session = current_session()
    shown = services().recovery_codes.shown(session) if session else []
    if not shown:
        return redirect("/account/security/codes", 303)
    lines = ["Connect", text("rec.codes"), "", *shown, "", text("rec.body"), services().settings.issuer]
    given = {"Content-Type": "text/plain; charset=utf-8", "Content-Disposition": 'attachment; filename="connect.txt"'}
    return make_response("\r\n".join(lines) + "\r\n", 200, given)


@blueprint.get("/account/sessions")
def sessions() -> Response:
    session = current_session()
    if session is None:
        return sign_in_first()
    live = services().sessions.live(load_account(session.account_id))
    shown = tuple(_session(one, is_here=one.id == session.id) for one in live)
    trusted = tuple(map(_trusted, services().trusted_devices.of(session.account_id)))
    done = DONE.get(request.args.get("done", ""))
    around = frame(text("acc.sessions"), form=FormView(), status=text(done) if done else None)
    return page("account/sessions.html", around, SessionsView(shown, len(shown) > 1, trusted))


@blueprint.post("/account/sessions/end")
def end_session() -> Response:
    """End one other session of one's own, or all others; its browser is not trusted any more either."""
    session = current_session()
    if session is None:
        return sign_in_first()
    bundle, wanted = services(), request.form.get("session", "")
    for other in bundle.sessions.live(load_account(session.account_id)):
        if other.id != session.id and wanted in {str(other.id), "all"}:
            bundle.sign_out.session(other)
            bundle.audit.record(AuditTag.SIGNED_OUT, account=session.account_id, session=str(other.id))
            if other.browser_hash != session.browser_hash:
                bundle.trusted_devices.end_at(session.account_id, other.browser_hash)
    if wanted == "all":
        bundle.trusted_devices.end_all(session.account_id, but_at=session.browser_hash)
    db.session.commit()
    return redirect("/account/sessions?done=yes", 303)


@blueprint.post("/account/sessions/untrust")
def untrust() -> Response:
    """Trust one device no more, or none."""
    session = current_session()
    if session is None:
        return sign_in_first()
    bundle, wanted = services(), request.form.get("device", "")
    if wanted == "all":
        bundle.trusted_devices.end_all(session.account_id)
    for device in bundle.trusted_devices.of(session.account_id):
        if str(device.id) == wanted:
            bundle.trusted_devices.end(session.account_id, device.id)
    return redirect("/account/sessions?done=untrusted", 303)


def _methods(account_id: UUID, portal: Portal) -> tuple[MethodView, ...]:
    """What the person has, and what may come beside it."""
    factors = services().accounts.factors(account_id)
    shown = {"app": text("r4.app"), "sms": text("acc.factor.sms", last2=(factors.phone or "")[-2:])}
    paths = {"app": "app", "sms": "mobile"}
    return tuple(
        MethodView(name, shown[name] if name in factors.names else "", f"/{portal.slug}/account/{path}")
        for name, path in paths.items()
        if name in factors.names or name in portal.factors
    )


def _left(account_id: UUID) -> str:
    left = services().recovery_codes.left(account_id)
    return text("rec.left", n=left) if left else text("rec.none")


def _letters(account_id: UUID) -> tuple[tuple[UUID, str], ...]:
    """The recovery letters that may still be used, each with the words that say when it was asked for."""
    letters = services().recovery_letters.open_of(account_id)
    return tuple((one.id, text("lt.on", date=format_day(one.requested_at))) for one in letters)


def _session(session: Session, *, is_here: bool) -> SessionView:
    device = device_name(session.user_agent) or text("device.unknown")
    used = text("acc.used", since=format_moment(session.auth_time), seen=format_moment(session.seen_at))
    return SessionView(session.id, device, used, is_here)


def _trusted(row: TrustedDevice) -> TrustedView:
    used = (
        text("acc.trusted.used", at=format_moment(row.last_used_at)) if row.last_used_at else text("acc.trusted.unused")
    )
    return TrustedView(
        row.id,
        device_name(row.user_agent) or text("device.unknown"),
        text("acc.trusted.since", at=format_moment(row.created_at)),
        used,
        text("acc.trusted.until", at=format_moment(row.expires_at)),
    )
