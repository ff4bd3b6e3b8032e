"""The end of each journey, once and in one transaction: the only place that creates accounts or opens sessions."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from flask import request
from sqlalchemy.exc import IntegrityError

from flows.context import Context
from flows.engine import Handover, Message, Restart
from flows.refusal import refuse_request
from flows.run import freeze, resume_address
from flows.steps.consent import open_items
from flows.steps.lock import FACTOR_BUDGETS, WAYS_BACK
from flows.trust import TRUSTED, trust, use_trust
from idp.models.account import Holder, hold_account, load_account
from idp.models.base import db
from idp.models.flow import consume_run
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.session import TRUSTED_DEVICE
from idp.protocol import consent
from idp.protocol import pending as requests
from idp.services.attempts import LETTER_CODE, PASSWORD
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.metrics import SIGN_INS
from idp.services.person_words import renew_words
from idp.web.i18n import language, prefer
from idp.web.session import current_session, set_session

# acr, and amr of RFC 8176; no attestation tells more of a passkey than whether its provider copies it.
METHODS = {
    "sms": ("mfa", ["pwd", "sms", "mfa"]),
    "app": ("mfa", ["pwd", "otp", "mfa"]),
    TRUSTED: (TRUSTED_DEVICE, ["pwd"]),  # a cookie is no factor that RFC 8176 has a name for
    "passkey": ("phr", ["hwk", "user", "mfa"]),
    "synced_passkey": ("phr", ["swk", "user", "mfa"]),
}
SHARED_BY = 3  # accounts with one mobile number from which on operators are told

Ending = str | Restart | Handover | None
"""Where to go; what no longer holds; the journey that goes on; or None where another click ended the run."""


def portal_address(portal: Portal, issuer: str) -> str:
    """Where a signed-in person enters a portal: third-party initiated login (OIDC Core §4), else its home page."""
    if portal.initiate_login_uri:
        joint = "&" if "?" in portal.initiate_login_uri else "?"
        return portal.initiate_login_uri + joint + urlencode({"iss": issuer})
    return portal.home_url


def entry(portal: Portal, account_id: UUID) -> str:
    """Into the portal; an account that is not linked to it is asked for its letter (l.noportal)."""
    bundle = services()
    if bundle.accounts.record_of(account_id, portal.id) is None:
        return f"/{portal.slug}/link/code"
    return portal_address(portal, bundle.settings.issuer)


def onward(ctx: Context, account_id: UUID | None = None) -> str:
    """Back to the request that asked while it waits, else into the portal."""
    waiting = ctx.waiting()
    pending = requests.find(ctx.services, waiting, ctx.browser_hash) if waiting else None
    resume = resume_address(ctx.services, ctx.run)
    if resume and (waiting is None or (pending is not None and not pending.is_consumed)):
        return resume
    return entry(ctx.portal, account_id) if account_id else portal_address(ctx.portal, ctx.services.settings.issuer)


def consume(ctx: Context, **kept: str) -> bool:
    """End the run, once: False where another click or tab was faster."""
    return consume_run(ctx.run_id, ctx.version, freeze(type(ctx.state)(**kept)), ctx.now)


def _open_session(ctx: Context, account: Holder, method: str) -> None:
    """A new secret at every sign-in (OWASP ASVS 5.0 §7.2.4). The same person again stays signed in at their portals."""
    bundle, before = ctx.services, current_session()
    acr, amr = METHODS[method]
    agent = request.headers.get("User-Agent", "")
    if before is not None and before.account_id == account.id and before.ended_at is None:
        secret = bundle.sessions.renew(before, acr=acr, amr=amr, user_agent=agent)
    else:
        if before is not None:
            bundle.sign_out.session(before)
        secret = bundle.sessions.open(account, browser_hash=ctx.browser_hash, acr=acr, amr=amr, user_agent=agent)
    bundle.audit.record(AuditTag.SIGNED_IN, account=account.id, portal=ctx.portal.id, method=method)
    ctx.count(SIGN_INS, ctx.portal.slug, method, "signed_in")
    set_session(secret)
    if account.language != language():
        prefer([account.language])


def store_factor(ctx: Context, account: Holder) -> str:
    """Keep the factor that the walk set up; returns its name."""
    state, bundle = ctx.state, ctx.services
    if state.factor == "sms":
        bundle.accounts.add_phone(account.id, state.mobile)
        if bundle.accounts.count_phones(state.mobile) >= SHARED_BY:
            bundle.audit.record(AuditTag.PHONE_SHARED, account=account.id, portal=ctx.portal.id)
    else:
        sealed_seed = ctx.entries("totp_enrol")["sealed_seed"]
        bundle.totp.enrol(account.id, bundle.totp.open_seed(sealed_seed, str(ctx.run_id)), state.app_step)
    return str(state.factor)


def rebind_factor(ctx: Context, account: Holder) -> str:
    """The same for an account that had factors: what was guessed at the one before says nothing of this one. For an
    operator the console stays shut until another one lets them in (docs/decisions/0015).
    """
    kept = store_factor(ctx, account)
    ctx.services.operators.pause(account.id)
    ctx.services.attempts.forgive(FACTOR_BUDGETS[kept], str(account.id))  # NIST SP 800-63B-4 §3.2.2
    return kept


def redeem_letter(ctx: Context, account: Holder) -> Restart | None:
    """Use up the code of the recovery letter that brought the person here; why it is not good, where it is not."""
    code_id = ctx.state.letter_code_id
    if code_id is None:
        return None
    if not ctx.services.registration_codes.redeem(UUID(code_id), ctx.run_id, None):
        db.session.rollback()
        return Restart("letter_code", "letter_code", Message("e.code.used"))
    ctx.services.audit.record(AuditTag.RECOVERY_LETTER_USED, account=account.id, portal=ctx.portal.id)
    return None


def use_reset(ctx: Context, account: Holder) -> Restart | None:
    """The same for what two operators agreed on: used up here, unless its owner stopped it this very moment."""
    if ctx.state.method != "desk" or ctx.services.factor_resets.use(account.id, ctx.portal):
        return None
    db.session.rollback()
    return Restart("choose_method", "method", Message("res.over"))


def stop_resets(ctx: Context, account: Holder) -> None:
    """Whoever signs in with a factor, or set a new password, needs none that the desk agreed on."""
    ctx.services.factor_resets.stop_all(account.id, device=ctx.device, place=ctx.network)


def replace_factor(ctx: Context, account: Holder) -> str:
    """Whoever lost the telephone gives up what was on it, and every session that may be open there."""
    bundle, kept = ctx.services, rebind_factor(ctx, account)
    bundle.accounts.keep_only(account.id, kept)
    bundle.sign_out.account(account.id)
    bundle.audit.record(AuditTag.FACTOR_REPLACED, account=account.id, portal=ctx.portal.id, method=kept)
    bundle.notices.tell("factor", account, portal=ctx.portal, device=ctx.device, place=ctx.network)
    return kept


def finish_login(ctx: Context) -> Ending:
    """Open the session."""
    account = ctx.holder
    method = _method(ctx, account)
    if method is None:
        return Restart("credentials", "passkey", Message("e.passkey"))
    if not consume(ctx) or ((method in WAYS_BACK or ctx.state.is_trusted) and not hold_account(account.id)):
        db.session.rollback()
        return None
    if unusable := redeem_letter(ctx, account) or use_reset(ctx, account):
        return unusable
    if method != TRUSTED and account.factors.reset:  # whoever has a factor needs no new one; a browser's cookie is none
        stop_resets(ctx, account)
    if method == TRUSTED and not use_trust(ctx):
        db.session.rollback()  # used in another tab or ended, this very moment: then by the second factor
        return Restart("choose_method")
    if method in WAYS_BACK:
        method = replace_factor(ctx, account)
        ctx.services.recovery_letters.void(account.id)
    elif ctx.state.is_trusted and ctx.portal.trusted_devices:
        trust(ctx, account)
    elif not account.is_known_here:
        ctx.services.notices.tell("device", account, portal=ctx.portal, device=ctx.device, place=ctx.network)
    _open_session(ctx, account, method)
    return onward(ctx, account.id)


def _method(ctx: Context, account: Holder) -> str | None:
    """How the person proved themselves; None where the passkey was removed this very moment."""
    if not ctx.state.passkey_id:
        return str(ctx.state.method)
    found = ctx.services.passkeys.find(account.id, UUID(ctx.state.passkey_id))
    return None if found is None else "synced_passkey" if found.backed_up else "passkey"


def finish_registration(ctx: Context) -> Ending:
    """Redeem the code, create the account, link the record, enrol the factor, open the session, send the welcome."""
    state, bundle = ctx.state, ctx.services
    if not consume(ctx, email=state.email):
        db.session.rollback()
        return None
    person = db.session.get_one(InsuredPerson, UUID(state.person_id))
    try:
        account = bundle.accounts.create(
            email=state.email,
            given_name=state.given_name,
            family_name=state.family_name,
            language=ctx.language,
            password_hash=state.password_hash,
        )
    except IntegrityError:  # another letter was registered with this address since it was proved here
        db.session.rollback()
        return Handover("link")
    checked = ctx.portal.second_item if ctx.portal.second_item != "none" else None
    is_redeemed = bundle.registration_codes.redeem(UUID(state.code_id), ctx.run_id, checked)
    if not (is_redeemed and person.link(account.id, ctx.now)):
        db.session.rollback()
        return Restart("registration_code", "code", Message("e.code.used"))
    renew_words([person.id])
    store_factor(ctx, account)
    bundle.attempts.forgive(LETTER_CODE, ctx.letter_subject)
    _open_session(ctx, account, state.factor)
    bundle.audit.record(AuditTag.REGISTERED, account=account.id, person=person.id, portal=ctx.portal.id)
    bundle.outbox.mail(
        "welcome",
        to=account.email,
        language=ctx.language,
        portal=ctx.portal,
        values={"email": account.email, "url": bundle.settings.issuer},
    )
    return ctx.link("register/done")


def finish_reset(ctx: Context) -> Ending:
    """Set the new password, end what others may have open, and sign the person in (security.md F-39 to F-41)."""
    state, bundle = ctx.state, ctx.services
    if not (consume(ctx) and hold_account(state.account())):
        db.session.rollback()
        return None
    account = load_account(state.account())
    if unusable := redeem_letter(ctx, account):
        return unusable
    bundle.passwords.store(account.id, state.password_hash)
    bundle.recovery_letters.void(account.id)  # security.md F-41
    stop_resets(ctx, account)
    bundle.operators.pause(account.id)
    method = replace_factor(ctx, account) if state.method in WAYS_BACK else state.method
    for subject in (account.email, f"{account.email}|{ctx.browser_hash}"):
        bundle.attempts.forgive(PASSWORD, subject)
    bundle.sign_out.account(account.id)
    bundle.audit.record(AuditTag.PASSWORD_RESET, account=account.id, portal=ctx.portal.id)
    bundle.notices.tell("password", account, portal=ctx.portal, device=ctx.device, place=ctx.network)
    _open_session(ctx, account, method)
    return ctx.link("reset/done")


def finish_link(ctx: Context) -> Ending:
    """Tie the record to the signed-in account and use the code up."""
    state, bundle, account_id = ctx.state, ctx.services, UUID(ctx.state.account_id)
    if not (consume(ctx) and hold_account(account_id)):
        db.session.rollback()
        return None
    person = db.session.get_one(InsuredPerson, UUID(state.person_id))
    try:
        is_redeemed = bundle.registration_codes.redeem(UUID(state.code_id), ctx.run_id, "birth_date")
        is_linked = is_redeemed and person.link(account_id, ctx.now)
    except IntegrityError:
        db.session.rollback()
        return Restart("registration_code", "code", Message("e.code.linked"))
    if not is_linked:
        db.session.rollback()
        return Restart("registration_code", "code", Message("e.code.used"))
    renew_words([person.id])
    bundle.audit.record(AuditTag.PORTAL_LINKED, account=account_id, person=person.id, portal=ctx.portal.id)
    return onward(ctx)


def finish_consent(ctx: Context) -> Ending:
    """Keep the answer, or let the portal know of the refusal; the authorization endpoint decides what comes next."""
    address = onward(ctx)
    if not consume(ctx):
        db.session.rollback()
        return None
    if ctx.state.is_refused:
        return refuse_request(ctx) or address
    if ctx.session is not None and (asked := open_items(ctx)):
        account_id = ctx.session.account_id
        consent.record(ctx.services, ctx.portal, account_id, asked, frozenset(ctx.state.allowed))
        ctx.services.audit.record(AuditTag.CONSENT_GIVEN, account=account_id, portal=ctx.portal.id)
    return address
