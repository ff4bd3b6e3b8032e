"""What to do with a form whose session has ended meanwhile: keep it for whoever sent it."""

from __future__ import annotations

from flask import request

from idp.services.bundle import services
from idp.web.browser import browser_hash
from idp.web.session import former_session

# What may wait for its person, by the view that answers it, and what the button says that sends it at last. The page
# must be able to tell what it is about, so nothing waits that is not named here.
MAY_WAIT = {
    "security.end_session": "acc.end", "security.untrust": "acc.trusted.end", "apps.withdraw": "acc.revoke",
    "passkeys.rename": "pk.save", "passkeys.remove": "pk.remove",
}  # fmt: skip


def keep_form() -> bool:
    """Keep the form of this request for the person whose session ended by itself; False where nothing is kept.

    A session that somebody ended, here or from elsewhere, keeps nothing.
    """
    if request.method != "POST" or request.endpoint not in MAY_WAIT:
        return False
    session, browser = former_session(), browser_hash()
    if session is None or browser is None or session.browser_hash != browser:
        return False
    if any(len(values) > 1 for _, values in request.form.lists()):
        return False
    return services().kept_forms.keep(browser, session.account_id, request.path, request.form)
