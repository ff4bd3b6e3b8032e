"""The portals that a client may see, and changing the fields that need no decision on trust."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from pydantic import ConfigDict, create_model
from sqlalchemy import select, update

from idp.api.operation import Answer, Body, Call, Operation, Query, Shown, check_match, etag_of
from idp.errors import BadInput
from idp.models.base import db, write
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.permissions import Scope
from idp.services.portal_details import OF_TRUST, PortalDetails
from idp.services.portals import fields_of
from idp.web.problems import Kind, Problem

FIELDS = PortalDetails.model_fields
CHANGEABLE = tuple(name for name in FIELDS if name not in {"slug", *OF_TRUST})
# A merge patch (RFC 7396): what is not there stays, null is the default again.
_PATCH: Any = {name: (FIELDS[name].rebuild_annotation() | None, None) for name in CHANGEABLE}
PortalBody = create_model(
    "PortalBody", __base__=Body, __doc__="What shall change; null: back to its default.", **_PATCH
)


class PortalShown(PortalDetails):
    """A portal: what was decided about it (docs/portals.md names the fields), and what it is known by."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    client_id: str
    disabled: bool
    created_at: datetime
    changed_at: datetime | None


class PortalChanged(PortalShown):
    """`client_secret`: where the change made one necessary, this once."""

    client_secret: str | None


class PortalsShown(Shown):
    portals: list[PortalShown]


def list_portals(call: Call) -> Answer:
    found, only = select(Portal).order_by(Portal.slug), call.caller.rights.portal_id
    if only is not None:
        found = found.where(Portal.id == only)
    return Answer(PortalsShown.model_construct(portals=[_shown(row) for row in db.session.scalars(found)]))


def get_portal(call: Call) -> Answer:
    shown = _shown(call.portal)
    return Answer(shown, etag=etag_of(shown))


def patch_portal(call: Call) -> Answer:
    """Judged as a whole by the service that the console and the command line use."""
    portal = call.portal
    check_match(call, etag_of(_shown(portal)))
    changes = {name: _value(name, getattr(call.body, name)) for name in call.body.model_fields_set}
    _hold(portal)
    try:
        _, secret = services().portals.update(portal.slug, changes)
    except BadInput as error:
        raise Problem(Kind.INVALID, "", [_place(fault) for fault in error.message.splitlines()]) from None
    etag = etag_of(_shown(portal))
    return Answer(_constructed(PortalChanged, portal, client_secret=secret), etag=etag)


def _hold(portal: Portal) -> None:
    """From here to the end of the transaction nobody else changes this portal. Raises `Problem` 412."""
    seen = (Portal.id == portal.id, Portal.changed_at.is_not_distinct_from(portal.changed_at))
    if write(update(Portal).where(*seen).values(changed_at=Portal.changed_at)) == 0:
        raise Problem(Kind.PRECONDITION_FAILED)


def _value(name: str, value: Any) -> Any:
    if value is None and not FIELDS[name].is_required():
        return FIELDS[name].get_default(call_default_factory=True)
    return value


def _place(fault: str) -> tuple[str, str]:
    """The service says `field.part: what is wrong`."""
    place, _, reason = fault.partition(": ")
    return (f"/{place.replace('.', '/')}", reason) if place.split(".")[0] in FIELDS else ("", fault)


def _shown(portal: Portal) -> PortalShown:
    return cast(PortalShown, _constructed(PortalShown, portal))


def _constructed(kind: type[Any], portal: Portal, **more: Any) -> Any:
    """As it is stored: what was judged once is not judged again by later rules."""
    return kind.model_construct(
        **fields_of(portal), client_id=portal.client_id, disabled=portal.is_disabled, created_at=portal.created_at,
        changed_at=portal.changed_at, **more,
    )  # fmt: skip


ONE = "/portals/<slug>"
OPERATIONS = (
    Operation("GET", "/portals", Scope.PORTALS_READ, list_portals, "List the portals", PortalsShown, query=Query),
    Operation("GET", ONE, Scope.PORTALS_READ, get_portal, "Read a portal", PortalShown),
    Operation("PATCH", ONE, Scope.PORTALS_WRITE, patch_portal, "Change a portal", PortalChanged, body=PortalBody,
              needs_match=True, may=(Kind.PRECONDITION_FAILED, Kind.PRECONDITION_REQUIRED)),
)  # fmt: skip
