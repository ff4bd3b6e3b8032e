"""Looks at a portal as it is registered: its addresses, what stands behind them, how its fields fit together.

Asks the network by the one safe way out; nothing here changes anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp.errors import BadInput
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.http_out import OutgoingFailed, OutgoingRefused, Reach, get
from idp.services.portal_details import PortalDetails, judge
from idp.services.portal_keys import TYPES
from idp.services.sectors import check_sector
from keys.jwks import UnusableKeys, usable


@dataclass(frozen=True)
class Check:
    """`about`: the field; `fault` is empty where all is well."""

    about: str
    fault: str = ""


def look_at(portal: Portal, own_host: str, reach: Reach) -> list[Check]:
    """Everything that can be known now, field by field. May ask the network, and ends the transaction then."""
    details = PortalDetails.model_construct(**{name: getattr(portal, name) for name in PortalDetails.model_fields})
    return [*_addresses(details, own_host), *_fields(details), *_keys(details, reach), *_sector(details, reach)]


def _addresses(details: PortalDetails, own_host: str) -> Iterator[Check]:
    faults = list(_address_faults(details.redirect_uris, own_host))
    yield Check("redirect_uris", "; ".join(faults))
    faults = list(_address_faults(details.post_logout_redirect_uris, own_host))
    yield Check("post_logout_redirect_uris", "; ".join(faults))


def _address_faults(addresses: list[str], own_host: str) -> Iterator[str]:
    for address in addresses:
        if urlsplit(address).netloc == own_host:
            yield f"{address} is an address of Connect itself, not of the portal"
        if not address.startswith("https://"):
            yield f"{address} is not https: good on a developer's machine only"


def _fields(details: PortalDetails) -> Iterator[Check]:
    try:
        judge({name: getattr(details, name) for name in PortalDetails.model_fields})
    except BadInput as error:
        for line in error.message.splitlines():
            place, _, fault = line.partition(": ")
            yield Check(place, fault)
        return
    yield Check("security_profile")


def _keys(details: PortalDetails, reach: Reach) -> Iterator[Check]:
    if details.jwks_uri is None:
        return
    db.session.rollback()  # nothing is held while the network is asked
    fault = ""
    try:
        usable(json.loads(get(details.jwks_uri, reach=reach, types=TYPES).body))
    except (OutgoingFailed, OutgoingRefused, UnusableKeys) as error:
        fault = f"no keys could be read there ({error})"
    except (ValueError, RecursionError):
        fault = "what stands there is no JSON"
    yield Check("jwks_uri", fault)


def _sector(details: PortalDetails, reach: Reach) -> Iterator[Check]:
    if details.sector_identifier_uri is None:
        return
    try:
        check_sector(details, reach)
    except BadInput as error:
        yield Check("sector_identifier_uri", error.message.partition(": ")[2])
        return
    yield Check("sector_identifier_uri")
