"""A person says no to the portal that asked: at consent, or by cancelling the sign-in."""

from __future__ import annotations

from flows.context import Context
from flows.run import resume_address, waiting_request
from idp.protocol import pending
from idp.services.audit import AuditTag


def waits(ctx: Context) -> bool:
    """Whether a portal waits for this person and can be told."""
    handle = waiting_request(ctx.services, ctx.run)
    return bool(handle and pending.find(ctx.services, handle, ctx.browser_hash))


def refuse_request(ctx: Context) -> str | None:
    """Keep the refusal; returns the address where the portal is told, or None where no portal asked."""
    handle = waiting_request(ctx.services, ctx.run)
    found = pending.find(ctx.services, handle, ctx.browser_hash) if handle else None
    if found is None:
        return None
    pending.deny(ctx.services, found)
    account = ctx.session.account_id if ctx.session else None
    ctx.services.audit.record(AuditTag.REQUEST_REFUSED, account=account, portal=ctx.portal.id)
    return resume_address(ctx.services, ctx.run)
