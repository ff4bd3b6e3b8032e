"""The end of each journey, once and in one transaction: the only place that creates accounts or opens sessions."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from flows.context import Context
from flows.run import resume_address
from idp.models.account import Account, load_account
from idp.models.base import db
from idp.models.flow import consume_run
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.web.session import current_session, set_session

ACR = "mfa"
AMR = {"sms": ["pwd", "sms", "mfa"], "app": ["pwd", "otp", "mfa"]}  # RFC 8176


def portal_address(portal: Portal, issuer: str) -> str:
    """Where a signed-in person enters a portal: third-party initiated login (OIDC Core §4), else its home page."""
    if portal.initiate_login_uri:
        joint = "&" if "?" in portal.initiate_login_uri else "?"
        return portal.initiate_login_uri + joint + urlencode({"iss": issuer})
    return portal.home_url


def onward(ctx: Context) -> str:
    """Back to the request that asked, or into the portal."""
    return resume_address(ctx.services, ctx.run) or portal_address(ctx.portal, ctx.services.settings.issuer)


def _open_session(ctx: Context, account: Account, method: str) -> None:
    before = current_session()
    session, secret = ctx.services.sessions.open(account, browser_hash=ctx.browser_hash, acr=ACR, amr=AMR[method])
    if before is not None and before.account_id == account.id:
        ctx.services.sessions.succeed(before, session)
    elif before is not None:
        ctx.services.sign_out.session(before)
    ctx.services.audit.record(AuditTag.SIGNED_IN, account=account.id, portal=ctx.portal.id, method=method)
    set_session(secret)


def finish_login(ctx: Context) -> str | None:
    """Open the session. None when the run was finished by another click."""
    if not consume_run(ctx.run_id, ctx.now):
        return None
    account = load_account(ctx.state.account())
    if not account.is_active:
        db.session.rollback()
        return f"/{ctx.portal.slug}/login"
    _open_session(ctx, account, ctx.state.method)
    return onward(ctx)


def finish_registration(ctx: Context) -> str | None:
    """Redeem the code, create the account, link the record, enrol the factor, open the session, send the welcome."""
    state, bundle = ctx.state, ctx.services
    try:
        if not consume_run(ctx.run_id, ctx.now):
            db.session.rollback()
            return None
        person = db.session.get_one(InsuredPerson, UUID(state.person_id))
        account = bundle.accounts.create(
            email=state.email,
            given_name=state.given_name,
            family_name=state.family_name,
            language=ctx.language,
            password_hash=state.password_hash,
        )
        if not (bundle.registration_codes.redeem(UUID(state.code_id), ctx.run_id) and person.link(account.id, ctx.now)):
            db.session.rollback()
            return None
    except IntegrityError:  # the address was registered by another run since it was proved here
        db.session.rollback()
        return None
    if state.factor == "sms":
        bundle.accounts.add_phone(account.id, state.mobile)
    else:
        seed = bundle.totp.open_seed(ctx.run.entries["totp_enrol"]["sealed_seed"], str(ctx.run_id))
        bundle.totp.enrol(account.id, seed, state.app_step)
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


def finish_link(ctx: Context) -> str | None:
    """Tie the record to the signed-in account and use the code up."""
    state, bundle = ctx.state, ctx.services
    if ctx.session is None or str(ctx.session.account_id) != state.account_id:
        return None
    try:
        person = db.session.get_one(InsuredPerson, UUID(state.person_id))
        if not (
            consume_run(ctx.run_id, ctx.now)
            and bundle.registration_codes.redeem(UUID(state.code_id), ctx.run_id)
            and person.link(ctx.session.account_id, ctx.now)
        ):
            db.session.rollback()
            return None
    except IntegrityError:  # another record of this portal is linked to the account already
        db.session.rollback()
        return None
    bundle.audit.record(AuditTag.PORTAL_LINKED, account=ctx.session.account_id, person=person.id, portal=ctx.portal.id)
    return onward(ctx)
