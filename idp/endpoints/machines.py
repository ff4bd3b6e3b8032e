"""The endpoints that the server of a portal calls often, as `idp/web/machine_door.py` reaches them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Request, Response

from idp.endpoints.discovery import DISCOVERY, KEYS, Public, answer_discovery, answer_keys
from idp.endpoints.introspection import answer_introspection
from idp.endpoints.pushed_authorization import answer_push
from idp.endpoints.revocation import answer_revocation
from idp.endpoints.userinfo import answer_userinfo
from idp.protocol.server import issue_tokens

TABLE: Mapping[tuple[str, str], Callable[[Request], Response]] = {
    ("POST", "/token"): issue_tokens,
    ("POST", "/introspect"): answer_introspection,
    ("POST", "/revoke"): answer_revocation,
    ("POST", "/par"): answer_push,
    ("GET", "/userinfo"): answer_userinfo,
    ("GET", "/jwks"): answer_keys,
    ("GET", "/.well-known/openid-configuration"): answer_discovery,
    ("GET", "/.well-known/oauth-authorization-server"): answer_discovery,
}
DOCUMENTS: Mapping[str, Public] = {
    "/jwks": KEYS,
    "/.well-known/openid-configuration": DISCOVERY,
    "/.well-known/oauth-authorization-server": DISCOVERY,
}
