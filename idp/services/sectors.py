"""`sector_identifier_uri` (OIDC Registration §5): a list at an address of the sector that names every redirect address.

Without it a portal could claim another's sector and learn the same `sub` as that one.
"""

from __future__ import annotations

import json

from idp.errors import BadInput
from idp.models.base import db
from idp.services.http_out import OutgoingFailed, OutgoingRefused, Reach, get
from idp.services.portal_details import PortalDetails

TYPES = ("application/json",)


def check_sector(details: PortalDetails, reach: Reach) -> None:
    """Raises `BadInput` unless the list can be read and names every redirect address. Ends the transaction."""
    if details.sector_identifier_uri is None:
        return
    db.session.rollback()  # nothing is held while the network is asked
    try:
        listed = json.loads(get(details.sector_identifier_uri, reach=reach, types=TYPES).body)
    except (OutgoingFailed, OutgoingRefused) as error:
        raise BadInput(f"sector_identifier_uri: no list could be read there ({error})") from None
    except (ValueError, RecursionError):
        raise BadInput("sector_identifier_uri: what stands there is no JSON") from None
    # OIDC Registration §5: the registered redirect_uris MUST be included in the elements of the array.
    if not isinstance(listed, list) or not all(address in listed for address in details.redirect_uris):
        raise BadInput("sector_identifier_uri: the list there does not name every redirect address")
