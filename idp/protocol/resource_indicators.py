"""Which resource servers an access token is for (RFC 8707): its audience, never more than was granted.

The userinfo endpoint counts as the resource named by the issuer itself. A token for another resource does not serve
there, and a token for userinfo serves nowhere else (RFC 9700 §2.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from idp.errors import ProtocolError
from idp.models.live_grant import LiveGrant
from idp.models.portal import Portal

PARAMETER = "resource"


def audience_of_grant(portal: Portal, grant: LiveGrant, issuer: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """What a person's grant allows: the resources of the authorization request, else userinfo."""
    resources = tuple(name for name in grant.resources or () if name in portal.resources)
    allowed = (*resources, issuer) if "openid" in grant.scope.split() else resources
    return subset(wanted, allowed) or resources or (issuer,)


def audience_of_portal(portal: Portal, issuer: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """What a portal may ask for in its own name: its registered resources, all of them when it names none."""
    return subset(wanted, portal.resources) or tuple(portal.resources) or (issuer,)


def subset(wanted: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    """What is wanted, each once. Raises `ProtocolError` invalid_target for more than is allowed."""
    for name in wanted:
        # RFC 8707 §2: MUST be an absolute URI, MUST NOT include a fragment.
        if "#" in name or name not in allowed:
            raise ProtocolError("invalid_target", "resource is not one that was granted")
    return tuple(dict.fromkeys(wanted))


def is_resource_server(portal: Portal, audience: Sequence[str]) -> bool:
    """Whether the portal is itself a resource server of this audience: the resource lies below its own home address."""
    home = urlsplit(portal.home_url)
    for name in audience:
        parts = urlsplit(name)
        is_below = f"{parts.path.rstrip('/')}/".startswith(f"{home.path.rstrip('/')}/")
        if (parts.scheme, parts.netloc) == (home.scheme, home.netloc) and is_below:
            return True
    return False
