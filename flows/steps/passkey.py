"""A passkey in a walk: what its page asks the authenticator, and the judgement of the answer, charged and recorded."""

from __future__ import annotations

from flows.context import Context, retry
from flows.engine import Message, Retry
from idp.models.passkey import Passkey
from idp.services.audit import AuditTag
from idp.services.throttle import Volume
from idp.web.network import limit


def question(ctx: Context) -> str:
    """Good in this browser and for this walk only."""
    return ctx.services.passkeys.sign_in_options(_bound_to(ctx))


def judge_passkey(ctx: Context, signed: str) -> Passkey | Retry:
    """Every refusal looks the same; the record of events says why."""
    limit(Volume.SIGN_INS)
    found = ctx.services.passkeys.verify(_bound_to(ctx), signed)
    if isinstance(found, Passkey):
        return found
    ctx.record_refusal(AuditTag.PASSKEY_REFUSED, account=found.account_id, portal=ctx.portal.id, reason=found.reason)
    return retry(passkey=Message("e.passkey"))


def _bound_to(ctx: Context) -> str:
    return f"{ctx.browser_hash}|{ctx.run_id}"
