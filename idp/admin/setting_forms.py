"""The settings of the console in groups: their words, their entries in a form, and what is typed as the environment
would have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, get_origin

from annotated_types import Ge, Le

from idp.choices import HIGHEST_CHOSEN, Choices
from idp.services.bundle import services
from idp.services.setting_changes import WrongChoices
from idp.services.setting_words import as_written
from idp.services.sms import in_order
from idp.web.forms import line
from idp.web.i18n import text
from idp.web.kept import Wrong

# In each group with the kind of effect that a change of it has, see the texts `set.fx.…`.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "codes": {
        "email_code_for": "sent", "reset_code_for": "sent", "sms_code_for": "sent", "device_code_for": "sent",
        "registration_idle_for": "pages", "login_idle_for": "pages",
    },
    "sessions": {"session_idle_for": "sessions", "session_absolute_for": "sessions"},
    "tokens": {
        "authorization_code_for": "issued", "access_token_for": "issued", "id_token_for": "issued",
        "refresh_idle_for": "issued", "refresh_absolute_for": "issued", "key_active_for": "keys",
    },
    "limits": {
        "sign_ins_per_hour": "counted", "letter_codes_per_hour": "counted", "sends_per_hour": "counted",
        "api_calls_per_hour": "counted", "imports_per_hour": "counted", "import_megabytes": "files",
    },
    "sms": {
        "sms_first": "gateway", "sms_sender": "next", "sms_countries": "countries", "sms_per_day": "cap",
        "sms_price": "price",
    },
    "contact": {"support_phone": "contact", "support_email": "contact"},
    "kept": {
        "visits_kept_for": "kept", "changes_kept_for": "kept", "notes_kept_for": "removed",
        "messages_kept_for": "removed",
    },
}  # fmt: skip
EFFECTS = {name: effect for group in GROUPS.values() for name, effect in group.items()}
UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
NO_NUMBER = "?"


class Kind(StrEnum):
    SPAN = "span"
    NUMBER = "number"
    CHOICE = "choice"
    LINE = "line"


@dataclass(frozen=True, repr=False)
class FieldView:
    """`back`: what the environment would decide, where something else is chosen."""

    name: str
    kind: Kind
    label: str
    hint: str
    options: tuple[tuple[str, str], ...]
    back: str


def kind_of(name: str) -> Kind:
    annotation = Choices.model_fields[name].annotation
    if annotation is timedelta:
        return Kind.SPAN
    if get_origin(annotation) is Literal:
        return Kind.CHOICE
    return Kind.NUMBER if annotation in {int, float} else Kind.LINE


def said(name: str, value: Any) -> str:
    """A value in the operator's language."""
    if name == "sms_first":
        return gateway_words(value)
    if isinstance(value, timedelta):
        return _span_words(*_in_units(value))
    return ", ".join(value) if isinstance(value, tuple) else as_written(value) or "–"


def gateway_words(name: str) -> str:
    """The first or the second gateway of the configuration, and whose it is."""
    kinds = {found: one.sms_provider for found, one in in_order(services().live.environment)}
    return text(f"set.gateway.{name}", kind={"aspsms": "ASPSMS", "webhook": "Webhook"}.get(kinds.get(name, ""), "–"))


def field_view(name: str, back: object) -> FieldView:
    """`back` is the environment's value where something is chosen instead, else None."""
    kind = kind_of(name)
    options: tuple[tuple[str, str], ...] = ()
    if kind is Kind.SPAN:
        options = tuple((unit, text(f"set.u.{unit}")) for unit in UNITS)
    if kind is Kind.CHOICE:
        options = tuple((one, gateway_words(one)) for one, _ in in_order(services().live.environment))
    shown = "" if back is None else text("set.back", label=text(f"set.n.{name}"), value=said(name, back))
    return FieldView(name, kind, text(f"set.n.{name}"), _bounds(name), options, shown)


def entries_of(name: str, value: Any) -> dict[str, str]:
    """What the form shows."""
    if isinstance(value, timedelta):
        count, unit = _in_units(value)
        return {name: str(count), f"{name}_unit": unit}
    return {name: ", ".join(value) if isinstance(value, tuple) else as_written(value)}


def typed_entries(group: str, form: Mapping[str, str]) -> dict[str, str]:
    """As they were typed; the version of the settings that the form was shown with stands among them."""
    names = [name for one in GROUPS[group] for name in (one, f"{one}_unit", f"{one}_back")]
    return {name: line(form.get(name)) for name in (*names, "version") if form.get(name)}


def wanted(group: str, typed: Mapping[str, str]) -> dict[str, str | None]:
    """As the environment would have it; None where that shall decide again."""
    return {name: None if typed.get(f"{name}_back") else _written(name, typed) for name in GROUPS[group]}


def errors_of(error: WrongChoices) -> dict[str, Wrong]:
    """Every fault at its field."""
    found = {}
    for fault in reversed(error.faults):
        limit = fault.named.get("limit", "")
        count, _, unit = limit.partition(" ")
        shown = _span_words(int(count), unit) if unit in UNITS else limit
        found[fault.name] = Wrong(f"set.f.{fault.kind}", {"limit": shown})
    return found


def _written(name: str, typed: Mapping[str, str]) -> str:
    entry = typed.get(name, "")
    if kind_of(name) is Kind.SPAN:
        size = UNITS.get(typed.get(f"{name}_unit", ""), 0)
        return str(int(entry) * size) if size and len(entry) < 8 and entry.isdecimal() else NO_NUMBER
    if kind_of(name) is Kind.NUMBER:
        return entry.replace(",", ".").replace("’", "").replace("'", "") or NO_NUMBER
    return entry


def _in_units(value: timedelta) -> tuple[int, str]:
    """In the largest unit in which it is whole."""
    seconds = int(value.total_seconds())
    unit = next(name for name in reversed(UNITS) if seconds % UNITS[name] == 0)
    return seconds // UNITS[unit], unit


def _span_words(count: int, unit: str) -> str:
    return f"{count} {text(f'set.u1.{unit}' if count == 1 else f'set.u.{unit}')}"


def _bounds(name: str) -> str:
    """Between what it may be, in words; empty where anything goes."""
    metadata = Choices.model_fields[name].metadata
    least = next((one.ge for one in metadata if isinstance(one, Ge)), None)
    most = next((one.le for one in metadata if isinstance(one, Le)), HIGHEST_CHOSEN.get(name))
    if least is None or most is None:
        return text(f"set.hint.{name}") if name in HINTED else ""
    return text("set.bounds", least=said(name, least), most=said(name, most))


HINTED = frozenset({"sms_first", "sms_countries", "sms_sender"})
