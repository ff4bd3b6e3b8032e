"""Mobile numbers: read as a Swiss person writes them, kept as E.164, allowed by numbering plan and country list."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
LONGEST_TYPED = 40


@dataclass(frozen=True)
class BadNumber:
    """`reason` is the message key of ux.md §6.6: empty, format, landline or country."""

    reason: str


def read_mobile(typed: str, countries: tuple[str, ...]) -> str | BadNumber:
    """The number in E.164, or why it cannot get an SMS."""
    text = unicodedata.normalize("NFKC", typed).strip()
    if not text:
        return BadNumber("e.mobile.empty")
    if len(text) > LONGEST_TYPED:
        return BadNumber("e.mobile.format")
    try:
        number = phonenumbers.parse(text, "CH")
    except NumberParseException:
        return BadNumber("e.mobile.format")
    if number.extension or not phonenumbers.is_valid_number(number):
        return BadNumber("e.mobile.format")
    if phonenumbers.region_code_for_number(number) not in countries:
        return BadNumber("e.mobile.country")
    if phonenumbers.number_type(number) not in MOBILE:
        return BadNumber("e.mobile.landline")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def show_number(number: str) -> str:
    """An E.164 number as people read it: Swiss ones nationally (079 123 45 67), others internationally."""
    parsed = phonenumbers.parse(number)
    is_swiss = phonenumbers.region_code_for_number(parsed) == "CH"
    return phonenumbers.format_number(
        parsed, PhoneNumberFormat.NATIONAL if is_swiss else PhoneNumberFormat.INTERNATIONAL
    )
