"""What to do with a form whose session has ended meanwhile: keep it for whoever sent it."""

from __future__ import annotations

from flask import request

from idp.services.bundle import services
from idp.web.browser import browser_hash
from idp.web.session import former_session


def keep_form() -> bool:
    """Keep the form of this request for the person whose session ended by itself; False where nothing is kept.

    A session that somebody ended, here or from elsewhere, keeps nothing.
    """
    session, browser = former_session(), browser_hash()
    if request.method != "POST" or session is None or browser is None or session.browser_hash != browser:
        return False
    if any(len(values) > 1 for _, values in request.form.lists()):
        return False
    return services().kept_forms.keep(browser, session.account_id, request.path, request.form)
