"""A trusted device in a sign-in: where it is offered, where it counts instead of the second factor, and its use.

It never counts for more than the portal that is signed in to: neither for a request that demands two factors or a fresh
proof, nor for what the account's own pages ask before a change.
"""

from __future__ import annotations

from flask import request

from flows.context import Context
from flows.refusal import waiting_for
from flows.run import resume_address
from idp.models.account import Holder
from idp.models.session import TRUSTED_DEVICE
from idp.models.trusted_device import TrustedDevice
from idp.web.after_sign_in import ANY_SESSION, PAGES
from idp.web.trust import keep_trusted, trusted_secrets

TRUSTED = "trusted"  # the method of somebody who signs in at such a device


def trusted_here(ctx: Context) -> TrustedDevice | None:
    """What stands in for the second factor in this sign-in, if anything does."""
    secrets = trusted_secrets() if ctx.portal.trusted_devices else ()
    if not secrets or not is_enough(ctx):
        return None
    return ctx.services.trusted_devices.find(ctx.state.account(), ctx.browser_hash, secrets)


def is_enough(ctx: Context) -> bool:
    """Whether what comes after the sign-in is content with it."""
    if ctx.waiting():
        asked = waiting_for(ctx)
        return asked is not None and TRUSTED_DEVICE in asked.request.accepted_acr
    after = resume_address(ctx.services, ctx.run)
    return after is None or after in {PAGES[name] for name in ANY_SESSION}


def use_trust(ctx: Context) -> bool:
    """Use the trust up and give the browser the next one; False where it ended meanwhile."""
    found = trusted_here(ctx)
    secret = ctx.services.trusted_devices.use(found) if found else None
    if secret is None:
        return False
    keep_trusted(secret, ctx.browser_hash)
    return True


def trust(ctx: Context, account: Holder) -> None:
    """From now on this browser counts as the second factor of this account; its owner hears of it."""
    agent = request.headers.get("User-Agent", "")
    secret = ctx.services.trusted_devices.trust(account.id, ctx.browser_hash, agent)
    keep_trusted(secret, ctx.browser_hash)
    ctx.services.notices.tell("trusted", account, portal=ctx.portal, device=ctx.device, place=ctx.network)
