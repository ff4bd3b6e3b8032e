"""Cleaning and shaping of typed input, and what a template needs to show a form again. No side effects here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

LONGEST_LINE = 300
DATE_ORDER_DAY_FIRST = re.compile(r"(\d{1,2})\D+(\d{1,2})\D+(\d{4})")
DATE_ORDER_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
DATE_DIGITS = re.compile(r"(\d{2})(\d{2})(\d{4})")
OLDEST_BIRTH_YEAR = 1900


@dataclass(frozen=True, repr=False)
class FormView:
    """The entries to show again, the errors in the person's language, and the nonce that tells a double click."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""


def line(text: str | None) -> str:
    """One trimmed line without control characters."""
    kept = "".join(character for character in text or "" if unicodedata.category(character) not in {"Cc", "Zl", "Zp"})
    return kept.strip()[:LONGEST_LINE]


def digits_only(text: str | None) -> str:
    """The decimal digits of a pasted code; full-width and other scripts' digits count as what they mean."""
    return "".join(str(unicodedata.decimal(character)) for character in text or "" if character.isdecimal())[:20]


def otp_problem(code: str) -> str | None:
    """The message key for an empty or wrongly long one-time code."""
    if not code:
        return "e.otp.empty"
    return None if len(code) == 6 else "e.otp.format"


def read_date(text: str, today: date) -> date | str:
    """A birth date as people write it, or the message key of what is wrong with it."""
    typed = unicodedata.normalize("NFKC", text).strip()
    if not typed:
        return "e.dob.empty"
    if found := DATE_ORDER_YEAR_FIRST.fullmatch(typed):
        year, month, day = (int(part) for part in found.groups())
    elif found := DATE_ORDER_DAY_FIRST.fullmatch(typed) or DATE_DIGITS.fullmatch(typed):
        day, month, year = (int(part) for part in found.groups())
    else:
        return "e.dob.format"
    try:
        read = date(year, month, day)
    except ValueError:
        return "e.dob.format"
    return read if read.year >= OLDEST_BIRTH_YEAR and read <= today else "e.dob.format"
