"""A token request as Authlib's grants read it, with what else it shows: keys held, resources wanted."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from flask import Request

from idp.errors import ProtocolError
from idp.protocol.confirmation import Holder, holder_of
from idp.protocol.resource_indicators import PARAMETER
from idp.services.bundle import Services

FORM = "application/x-www-form-urlencoded"
REPEATABLE = {PARAMETER, "audience"}  # RFC 8707 §2, RFC 8693 §2.1


class _Form(OAuth2Payload):  # type: ignore[misc]
    """The parameters of the body alone."""

    def __init__(self, request: Request) -> None:
        self._form = request.form

    @property
    def data(self) -> Any:
        return self._form


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """A token request under the address of the issuer, whatever a proxy made of it.

    `confirmation` is set when the client is known: what the tokens of this request are bound to.
    """

    client: Any  # once it proved who it is
    confirmation: dict[str, Any]

    def __init__(self, request: Request, bundle: Services) -> None:
        # Not by way of Authlib's: it asks the environment whether plain HTTP is allowed, which the settings judged.
        self.method, self.uri, self.headers = request.method, f"{bundle.settings.issuer}{request.path}", request.headers
        self.client = self.auth_method = self.user = None
        self.authorization_code = self.refresh_token = self.credential = None
        self._body = self._scope = None
        self.payload = _Form(request)
        self.asked = request
        self.bundle = bundle
        self.holder: Holder = holder_of(bundle, request)

    @property
    def form(self) -> Any:
        return self.payload.data

    @property
    def resources(self) -> list[str]:
        wanted: list[str] = self.payload.data.getlist(PARAMETER)
        return wanted


def check_form(request: Request) -> None:
    """Parameters come once and in the body. Raises `ProtocolError` invalid_request."""
    # RFC 6749 §2.3.1 and §3.2: MUST be sent in the body, MUST NOT be included more than once.
    if request.args:
        raise ProtocolError("invalid_request", "parameters belong in the body")
    if request.mimetype != FORM:
        raise ProtocolError("invalid_request", f"the body must be {FORM}")
    for name, values in dict.items(request.form):  # which holds lists, and copies each to be asked for them
        if len(values) > 1 and name not in REPEATABLE:
            raise ProtocolError("invalid_request", "a parameter is repeated")
