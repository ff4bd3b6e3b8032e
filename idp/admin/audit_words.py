"""The record of events in plain words: what happened, in which group it belongs, and what was before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from idp.models.audit import AuditEvent
from idp.services.audit import AuditTag
from idp.texts import format_moment
from idp.web.i18n import text

# Every object of the closed list of tags, in one group each; tests/idp/admin/test_audit.py counts them.
GROUPS: dict[str, frozenset[str]] = {
    "letters": frozenset({"registration_code", "second_item", "recovery_letter", "letter", "letter_batch"}),
    "access": frozenset(
        {"session", "attempts", "device", "trusted_device", "authorization_request", "authorization_code",
         "refresh_token"}
    ),
    "account": frozenset(
        {"account", "password", "email", "language", "passkey", "recovery_code", "factor", "factor_reset", "phone",
         "consent"}
    ),
    "persons": frozenset({"insured_person", "call_note", "person_import", "list_export"}),
    "portals": frozenset({"portal", "registration", "webhook", "import_token"}),
    "console": frozenset(
        {"operator", "signing_key", "message", "sms", "audit", "settings", "maintenance_notice", "api_client"}
    ),
}  # fmt: skip
NAMES = ("operator", "account")  # of a detail: values that are accounts of operators


def group_of(tag: AuditTag) -> str:
    """The group of a tag, by its object."""
    subject, thing, _ = tag.value.split(":")
    if subject == "operator" and thing == "session":
        return "console"
    return next(name for name, things in GROUPS.items() if thing in things)


def tags_of(group: str) -> list[str]:
    return [tag.value for tag in AuditTag if group_of(tag) == group]


def tag_words(tag: str) -> str:
    """A tag that is none, of another release or of whoever changed the record, stands as it is."""
    return text(f"ev.{tag.replace(':', '.')}") if tag in set(AuditTag) else tag


def in_words(row: AuditEvent, names: Mapping[UUID, str]) -> tuple[str, ...]:
    """The detail of an event, one line each; what changed as before → after."""
    if row.redacted_at is not None:
        return (text("adm.redacted", date=format_moment(row.redacted_at)),)
    known = dict(row.detail)
    before, after = (_read(known.pop(name, "")) for name in ("before", "after"))
    if before or after:
        known.pop("fields", None)
    lines = [f"{_label(name)}: {_named(name, str(value), names)}" for name, value in known.items() if value != ""]
    changed = [f"{name}: {_shown(before.get(name))} → {_shown(after.get(name))}" for name in {**before, **after}]
    return tuple(lines + changed)


def operators_in(row: AuditEvent) -> set[UUID]:
    """Accounts that the detail names."""
    return {UUID(row.detail[name]) for name in NAMES if name in row.detail}


def _read(written: str) -> dict[str, Any]:
    """Fields of a portal as they were; of an operator the roles as they are written."""
    try:
        read = json.loads(written)
    except ValueError:
        return {text("adm.roles"): written}
    return read if isinstance(read, dict) else {}


def _shown(value: object) -> str:
    return (
        "–"
        if value in (None, "", [], {})
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
    )


def _label(name: str) -> str:
    return text(f"det.{name}") if name in LABELLED else name.replace("_", " ")


def _named(name: str, value: str, names: Mapping[UUID, str]) -> str:
    return names.get(UUID(value), value) if name in NAMES else value


LABELLED = frozenset(
    {"reason", "told", "method", "kind", "action", "count", "roles", "language", "device", "operator", "alg", "fields",
     "list"}
)  # fmt: skip
