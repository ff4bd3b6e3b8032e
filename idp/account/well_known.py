"""Where password managers find the pages they send a person to (W3C: Passkey Endpoints, A Well-Known URL for Changing
Passwords).
"""

from __future__ import annotations

from flask import Blueprint, jsonify, redirect
from werkzeug.wrappers import Response

from idp.services.bundle import services
from idp.web.after_sign_in import PAGES

blueprint = Blueprint("well_known", __name__)


@blueprint.get("/.well-known/passkey-endpoints")
def passkey_endpoints() -> Response:
    issuer = services().settings.issuer
    return jsonify(enroll=issuer + PAGES["new_passkey"], manage=issuer + PAGES["passkeys"])


@blueprint.get("/.well-known/change-password")
def change_password() -> Response:
    return redirect(PAGES["security"], 303)
