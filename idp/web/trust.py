"""The cookie of a trusted browser: one secret for each account that is trusted in it, a few at most."""

from __future__ import annotations

import re

from flask import Response, after_this_request, request

from idp.services.bundle import services
from idp.services.trusted_devices import PREFIX, TRUSTED_FOR
from idp.web.browser import cookie_name, set_cookie

MOST = 5  # accounts that one browser may be trusted by
SENT = re.compile(rf"{PREFIX}[A-Za-z0-9]{{43}}(?:\.{PREFIX}[A-Za-z0-9]{{43}}){{0,{MOST - 1}}}")


def trusted_secrets() -> tuple[str, ...]:
    """What this browser sent, if it is one cookie of the form that we give; else nothing."""
    sent = request.cookies.getlist(cookie_name("trusted"))
    return tuple(sent[0].split(".")) if len(sent) == 1 and SENT.fullmatch(sent[0]) else ()


def keep_trusted(secret: str, browser_hash: str) -> None:
    """Send the new secret with this response, beside those of other accounts that are still good."""
    others = services().trusted_devices.living(browser_hash, trusted_secrets())
    value = ".".join([*others, secret][-MOST:])

    @after_this_request
    def _send(response: Response) -> Response:
        set_cookie(response, "trusted", value, max_age=int(TRUSTED_FOR.total_seconds()))
        return response
