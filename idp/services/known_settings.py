"""What the environment has decided, as it may be shown, and since when: a web process looks when it starts.

This is the memory of the environment, and its entry in the audit; what operators choose themselves is elsewhere
(idp/services/setting_changes.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from idp.models import known_setting as table
from idp.models.base import db
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.setting_words import in_words
from idp.settings import Settings

OF_A_PROCESS = {"embedded_worker", "log_level", "master_key_fd"}  # may differ from one process to the next
CURTAIN = "••••"


@dataclass(frozen=True)
class Decided:
    """One setting in words; `default` is empty where it has to be set, `changed_at` where it never changed."""

    field: str
    name: str
    what: str
    value: str
    default: str
    is_default: bool
    changed_at: datetime | None


def notice(bundle: Services) -> dict[str, tuple[str, str]]:
    """Record what differs from the last start; setting → before and after, secrets hidden."""
    before, found = table.known(), dict[str, tuple[str, str]]()
    for name, value in _remembered(bundle):
        if name not in before:
            table.note(name, value)
        elif (old := before[name].value) != value and table.change(name, old, value, bundle.clock.now()):
            is_hidden = _is_hidden(name)
            found[name] = (CURTAIN, CURTAIN) if is_hidden else (old, value)
    if found:
        bundle.audit.record(
            AuditTag.SETTINGS_CHANGED,
            before=json.dumps({name: values[0] for name, values in found.items()}, ensure_ascii=False),
            after=json.dumps({name: values[1] for name, values in found.items()}, ensure_ascii=False),
        )
    db.session.commit()
    return found


def decided(settings: Settings) -> tuple[Decided, ...]:
    """Every setting of this process, what differs from its default first."""
    since = table.known()
    rows = []
    for name, field in Settings.model_fields.items():
        value, is_required = getattr(settings, name), field.is_required()
        is_default = not is_required and value == field.default
        shown = CURTAIN if _is_hidden(name) and value not in (None, "") else in_words(value)
        default = "" if is_required else CURTAIN if _is_hidden(name) and field.default else in_words(field.default)
        changed_at = since[name].changed_at if name in since else None
        rows.append(
            Decided(name, f"CONNECT_{name.upper()}", field.description or "", shown, default, is_default, changed_at)
        )
    return tuple(sorted(rows, key=lambda row: row.is_default))


def _is_hidden(name: str) -> bool:
    field = Settings.model_fields[name]
    return field.repr is False or "SecretStr" in str(field.annotation)


def _remembered(bundle: Services) -> Iterator[tuple[str, str]]:
    for name in Settings.model_fields:
        value = getattr(bundle.live.environment, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else in_words(value)
        if name not in OF_A_PROCESS:
            yield name, bundle.vault.mac("known-setting", f"{name}|{plain}") if _is_hidden(name) else plain
