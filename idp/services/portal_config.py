"""Portals as a file says they are: what would change, and changing it by the services that everything else uses.

Applying twice changes nothing. A portal that is not in the file is left alone; none is ever deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from idp.errors import BadInput
from idp.models.base import db
from idp.models.portal import Portal, find_portal_in_any_state
from idp.services.portal_details import PortalDetails
from idp.services.portal_file import DISABLED, FIELDS, PortalFile
from idp.services.portal_rules import DEFAULTS
from idp.services.portals import Portals, fields_of

MODEL = PortalDetails.model_fields


@dataclass(frozen=True)
class Difference:
    """What would change of one portal: each field with what it is and what it would be."""

    slug: str
    is_new: bool
    fields: dict[str, tuple[Any, Any]]


class PortalConfig:
    def __init__(self, portals: Portals) -> None:
        self._portals = portals

    def export(self, slugs: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """The fields of these portals, or of all, that are not at their default. Raises `BadInput`."""
        rows = [self._portals.load(slug) for slug in slugs] or self._portals.all()
        return {row.slug: _exported(row) for row in rows}

    def differences(self, file: PortalFile) -> list[Difference]:
        """What applying the file would change; may ask the network. Raises `BadInput` with every fault and its line."""
        found, faults = list[Difference](), list[str]()
        for slug, given in file.portals.items():
            portal = find_portal_in_any_state(slug)
            try:
                details = self._portals.judged(_wanted(slug, given, portal), portal)
            except BadInput as error:
                faults += [_with_line(file, slug, fault) for fault in error.message.splitlines()]
                continue
            if (difference := _difference(portal, details, is_disabled=given.get(DISABLED, False))) is not None:
                found.append(difference)
        if faults:
            raise BadInput("\n".join(faults))
        return found

    def apply(self, differences: Sequence[Difference]) -> dict[str, tuple[str, str]]:
        """Do it; the client id and the secret of each portal that has a new one, this once. Raises `BadInput`."""
        secrets = {}
        for one in differences:
            changes = {name: after for name, (_, after) in one.fields.items() if name != DISABLED}
            if one.is_new:
                portal, secret = self._portals.add({"slug": one.slug, **changes})
            elif changes:
                portal, secret = self._portals.update(one.slug, changes)
            else:
                portal, secret = self._portals.load(one.slug), None
            if DISABLED in one.fields:
                (self._portals.disable if one.fields[DISABLED][1] else self._portals.enable)(one.slug)
            if secret:
                secrets[one.slug] = (portal.client_id, secret)
        return secrets

    def left_alone(self, file: PortalFile) -> list[str]:
        """The portals that the file does not name."""
        known = db.session.scalars(select(Portal.slug).order_by(Portal.slug))
        return [slug for slug in known if slug not in file.portals]


def _exported(row: Portal) -> dict[str, Any]:
    values = fields_of(row)
    shown = {name: values[name] for name in FIELDS if MODEL[name].is_required() or values[name] != _default(name)}
    return shown | ({DISABLED: True} if row.is_disabled else {})


def _default(name: str) -> Any:
    return MODEL[name].get_default(call_default_factory=True)


def _wanted(slug: str, given: dict[str, Any], portal: Portal | None) -> dict[str, Any]:
    """Every field: as written, else as the profile decides, else its default. A sector that is not written stays: to
    change it would give every person another `sub`.
    """
    values = {name: _default(name) for name in FIELDS if not MODEL[name].is_required()}
    values |= DEFAULTS.get(str(given.get("security_profile")), {})
    if portal is not None:
        values["sector_identifier"] = portal.sector_identifier
    return values | {name: value for name, value in given.items() if name != DISABLED} | {"slug": slug}


def _difference(portal: Portal | None, details: PortalDetails, *, is_disabled: bool) -> Difference | None:
    wanted = {name: getattr(details, name) for name in FIELDS}
    if portal is None:
        said = (name for name in FIELDS if MODEL[name].is_required() or wanted[name] != _default(name))
        shown = {name: (None, wanted[name]) for name in said}
        return Difference(details.slug, True, shown | ({DISABLED: (False, True)} if is_disabled else {}))
    known = fields_of(portal)
    changed = {name: (known[name], value) for name, value in wanted.items() if known[name] != value}
    if portal.is_disabled != is_disabled:
        changed[DISABLED] = (portal.is_disabled, is_disabled)
    return Difference(portal.slug, False, changed) if changed else None


def _with_line(file: PortalFile, slug: str, fault: str) -> str:
    place = fault.partition(":")[0].split(".")
    return f"line {file.line_of('portals', slug, *place)}: portals.{slug}.{fault}"
