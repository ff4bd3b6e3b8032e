"""The ends of what an owner changes in the account: once, in one transaction, and told by mail (ux.md §4.5)."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from flows.context import Context
from flows.engine import Message, Restart
from flows.finish import Ending, consume, rebind_factor, stop_resets
from idp.models.account import Account, hold_account, load_account
from idp.models.base import db
from idp.services.audit import AuditTag

CLOSED = "account/closed"
SECURITY = "/account/security?done=yes"


def finish_password(ctx: Context) -> Ending:
    """The new password; every other session ends (OWASP ASVS 5.0 §7.4.3)."""
    if not _begin(ctx):
        return None
    account, bundle = load_account(ctx.state.account()), ctx.services
    bundle.passwords.store(account.id, ctx.state.password_hash)
    bundle.sign_out.account(account.id, keep=ctx.session)
    bundle.recovery_letters.void(account.id)
    stop_resets(ctx, account)
    bundle.audit.record(AuditTag.PASSWORD_CHANGED, account=account.id)
    _tell(ctx, "password", account)
    return SECURITY


def finish_factor(ctx: Context) -> Ending:
    """A first number or app comes beside the other method; a second one takes the place of its kind, whose number is
    told, and ends every other session (OWASP ASVS 5.0 §7.4.3).
    """
    if not _begin(ctx):
        return None
    account = load_account(ctx.state.account())
    before = ctx.services.accounts.factors(account.id)
    kept, bundle = rebind_factor(ctx, account), ctx.services
    bundle.trusted_devices.end_all(account.id)
    bundle.recovery_letters.void(account.id)
    stop_resets(ctx, account)
    if kept not in before.names:
        bundle.audit.record(AuditTag.FACTOR_ADDED, account=account.id, method=kept)
        _tell(ctx, "factorAdded", account)
        return SECURITY
    bundle.sign_out.account(account.id, keep=ctx.session)
    bundle.audit.record(AuditTag.FACTOR_REPLACED, account=account.id, method=kept)
    _tell(ctx, "mobile" if kept == "sms" else "factor", account)
    if kept == "sms" and before.phone and before.phone != ctx.state.mobile:
        bundle.outbox.sms("changed", to=before.phone, language=account.language, portal=ctx.portal, values={})
    return SECURITY


def finish_removal(ctx: Context) -> Ending:
    """One method less, as long as one remains; what is open elsewhere may have been opened with it."""
    if not _begin(ctx):
        return None
    account, lost, bundle = load_account(ctx.state.account()), ctx.state.factor, ctx.services
    remaining = [name for name in bundle.accounts.factors(account.id).names if name != lost]
    if not remaining:  # the other one was removed in another tab since
        db.session.rollback()
        return Restart("remove_method", "factor", Message("acc.last"))
    bundle.accounts.keep_only(account.id, remaining[0])
    bundle.trusted_devices.end_all(account.id)
    bundle.sign_out.account(account.id, keep=ctx.session)
    bundle.audit.record(AuditTag.FACTOR_REMOVED, account=account.id, method=lost)
    _tell(ctx, "factorRemoved", account)
    return SECURITY


def finish_codes(ctx: Context) -> Ending:
    """Five new codes, shown on the page that follows; the old ones are void."""
    if not _begin(ctx):
        return None
    ctx.services.recovery_codes.renew(ctx.owner)
    ctx.services.audit.record(AuditTag.RECOVERY_CODES_MADE, account=ctx.owner.account_id)
    _tell(ctx, "codes", load_account(ctx.owner.account_id))
    return "/account/security/codes"


def finish_email(ctx: Context) -> Ending:
    """The address that was proved is the address of the account; the old one is told."""
    if not _begin(ctx):
        return None
    account = load_account(ctx.state.account())
    before = account.email
    account.email, account.email_verified_at = ctx.state.email, ctx.now
    try:
        db.session.flush()
    except IntegrityError:  # somebody registered with it since it was proved
        db.session.rollback()
        return Restart("new_email", "email", Message("e.email.taken"))
    ctx.services.audit.record(AuditTag.EMAIL_CHANGED, account=account.id)
    _tell(ctx, "email", account, to=before)
    return "/account/profile?done=yes"


def finish_closing(ctx: Context) -> Ending:
    """The account is closed, and its owner is told a last time; the last page takes the dead cookie away."""
    if not _begin(ctx):
        return None
    account = load_account(ctx.state.account())
    if ctx.services.operators.is_operator(account.id):
        ctx.services.attempts.queue("superusers")  # of the last two, one stays
        if ctx.services.operators.is_last_superuser(account.id):
            db.session.rollback()
            return Restart("close", "agree", Message("e.close.last"))
    _tell(ctx, "closed", account)
    ctx.services.closing.close(account)
    ctx.services.audit.record(AuditTag.ACCOUNT_CLOSED, account=account.id)
    return ctx.link(CLOSED)


def _begin(ctx: Context) -> bool:
    """Whether this click ends the walk; a slower one finds it ended, and other walks of the account wait here."""
    if consume(ctx) and hold_account(ctx.state.account()):
        return True
    db.session.rollback()
    return False


def _tell(ctx: Context, event: str, account: Account, to: str = "") -> None:
    ctx.services.notices.tell(event, account, portal=ctx.portal, device=ctx.device, place=ctx.network, to=to)
