"""A person says no to the portal that asked: at consent, or by cancelling the sign-in."""

from __future__ import annotations

from flows.context import Context
from flows.run import resume_address
from idp.protocol import pending
from idp.protocol.pending import Pending
from idp.services.audit import AuditTag


def waiting_for(ctx: Context) -> Pending | None:
    """The request of a portal that waits for this person and can be answered."""
    handle = ctx.waiting()
    return pending.find(ctx.services, handle, ctx.browser_hash) if handle else None


def refuse_request(ctx: Context) -> str | None:
    """Keep the refusal; returns the address where the portal is told, or None where no portal asked."""
    found = waiting_for(ctx)
    if found is None:
        return None
    pending.deny(ctx.services, found)
    account = ctx.session.account_id if ctx.session else None
    ctx.services.audit.record(AuditTag.REQUEST_REFUSED, account=account, portal=ctx.portal.id)
    return resume_address(ctx.services, ctx.run)
