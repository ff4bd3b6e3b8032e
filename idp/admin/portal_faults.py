"""What is wrong with the fields of a portal, at the field where it is wrong and in the operator's language.

The service says it in English, one fault a line; where the field is one for machines, these words are shown as such.
"""

from __future__ import annotations

from idp.admin.portal_forms import Kind, kind_of
from idp.services.bundle import services
from idp.texts import LANGUAGES
from idp.web.kept import Wrong

OTHER = "other"  # what no field of this page can mend


def errors_of(message: str, names: tuple[str, ...]) -> dict[str, Wrong]:
    """The faults by entry of the form; several of one entry stand together."""
    found: dict[str, Wrong] = {}
    for fault in message.splitlines():
        entry, wrong = _placed(fault, names)
        before = found.get(entry)
        if before is not None and before.code and wrong.code:
            wrong = Wrong(before.key, before.named, f"{before.code}; {wrong.code}")
        found[entry] = wrong
    return found


def _placed(fault: str, names: tuple[str, ...]) -> tuple[str, Wrong]:
    place, _, reason = fault.partition(": ")
    name, _, part = place.partition(".")
    if name not in names:
        return OTHER, Wrong("por.e.other", code=fault)
    entry = name
    if kind_of(name) is Kind.WORDS:
        entry = f"{name}_{part if part in LANGUAGES else LANGUAGES[0]}"
    key = f"por.e.{name}"
    if key in services().texts.catalogues["fr"]:
        return entry, Wrong(key)
    where = f"line {int(part) + 1}: " if part.isdecimal() and kind_of(name) is Kind.LINES else ""
    return entry, Wrong("por.e.value", code=f"{where}{reason}")
