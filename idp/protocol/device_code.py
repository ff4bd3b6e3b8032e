"""The device grant (RFC 8628): a device asks for codes, its person answers in a browser, the device polls."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from idp.errors import ProtocolError
from idp.models.live_grant import LiveGrant
from idp.models.portal import Portal
from idp.protocol import resource_indicators, token_answer
from idp.protocol.client import Client, check_grant_type
from idp.services import issuing
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.devices import Poll, show
from idp.services.tokens import Replayed

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
DESCRIPTIONS = {
    Poll.PENDING: "the person has not answered yet",
    Poll.SLOW_DOWN: "the device asks too often; wait five seconds longer",
    Poll.DENIED: "the person refused",
    Poll.EXPIRED: "the device code has expired",
}


def begin(bundle: Services, portal: Portal, scope: str) -> dict[str, Any]:
    """The device authorization response (RFC 8628 §3.2). Raises `ProtocolError`."""
    check_grant_type(portal, GRANT_TYPE)
    granted = [name for name in dict.fromkeys(scope.split()) if name in portal.scopes]
    # OIDC Core §3.1.2.1: scope MUST contain openid; values that are not understood SHOULD be ignored.
    if "openid" not in granted:
        raise ProtocolError("invalid_scope", "scope must contain openid")
    begun = bundle.devices.begin(portal, " ".join(granted))
    page = f"{bundle.settings.issuer}/device"
    return {
        "device_code": begun.device_code,
        "user_code": show(begun.user_code),
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={show(begun.user_code)}",
        "expires_in": begun.expires_in,
        "interval": begun.interval,
    }


class DeviceCodeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    GRANT_TYPE = GRANT_TYPE

    def validate_token_request(self) -> None:
        client: Client = self.authenticate_token_endpoint_client()
        check_grant_type(client.portal, GRANT_TYPE)
        code = self.request.form.get("device_code")
        if not code:
            raise ProtocolError("invalid_request", "device_code is missing")
        resource_indicators.subset(self.request.resources, (self.request.bundle.settings.issuer,))
        self.request.client = client
        self.request.credential = self._redeem(client.portal, code)

    def _redeem(self, portal: Portal, code: str) -> LiveGrant:
        bundle: Services = self.request.bundle
        polled = bundle.devices.poll(portal, code)
        if isinstance(polled, Poll):
            raise ProtocolError(polled.value, DESCRIPTIONS[polled])
        if isinstance(polled, Replayed):
            raise token_answer.replayed(bundle, portal, AuditTag.CODE_REPLAYED)
        if polled is None:
            raise ProtocolError("invalid_grant", "device_code is not valid")
        return polled

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        grant: LiveGrant = self.request.credential
        body, made = token_answer.build(self.request, grant, grant.scope)
        issuing.record(made)
        return 200, body, self.TOKEN_RESPONSE_HEADER
