"""F-30: a number has one form, is a mobile one of an allowed country, and one on many accounts raises an alarm."""

from __future__ import annotations

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Phone
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.phones import BadNumber, read_mobile
from tests.actions import register

COUNTRIES = ("CH", "LI", "DE", "AT", "FR", "IT")
SAME = [
    "079 123 45 67", "0791234567", "+41 79 123 45 67", "+41791234567", "0041 79 123 45 67", "0041791234567",
    "+41 (0)79 123 45 67", "079/123.45.67", "079-123-45-67", "０７９ １２３ ４５ ６７", "＋４１７９１２３４５６７",
    " 079 123 45 67 ",
    "079\u00a0123\u00a045\u00a067", "(079) 123 45 67",
]  # fmt: skip
REFUSED = {
    "": "empty", " ": "empty", "079 123 45 6": "format", "079 123 45 67 8": "format", "+4179123456789012": "format",
    "079 123 45 67 ext. 5": "format", "079 123 45 67;ext=5": "format", "tel:": "format", "abc": "format", "0": "format",
    "079 123 45 67, 079 765 43 21": "format", "079 123 45 67\r\nBcc": "format", "1" * 41: "format", "+": "format",
    "031 123 45 67": "landline", "+41 900 123 456": "landline", "0901 123 456": "landline", "0800 123 456": "landline",
    "+44 7700 900123": "country", "+1 212 555 2368": "country", "+7 912 345 67 89": "country",
    "+263 77 123 4567": "country",
    "+881 6 1234 5678": "country", "+882 13 123456": "country", "+979 123456789": "country", "112": "format",
}  # fmt: skip


@pytest.mark.parametrize("typed", SAME)
def test_every_way_of_writing_a_number_is_one_number(typed: str) -> None:
    assert read_mobile(typed, COUNTRIES) == "+41791234567"


@pytest.mark.parametrize(("typed", "reason"), REFUSED.items(), ids=lambda value: repr(value[:30]))
def test_what_cannot_get_an_sms_is_refused(typed: str, reason: str) -> None:
    """Premium, landline, satellite, foreign and malformed numbers; which of the reasons is told matters less."""
    read = read_mobile(typed, COUNTRIES)
    assert isinstance(read, BadNumber)
    assert read.reason in {f"e.mobile.{reason}", "e.mobile.format", "e.mobile.country"}


@given(st.text(max_size=60) | st.from_regex(r"[+0-9 ()/.-]{1,25}", fullmatch=True))
def test_whatever_is_typed_is_a_number_or_a_reason(typed: str) -> None:
    read = read_mobile(typed, COUNTRIES)
    if not isinstance(read, BadNumber):
        assert read[0] == "+"
        assert read[1:].isascii()
        assert read[1:].isdecimal()
        assert len(read) <= 16
        assert read_mobile(read, COUNTRIES) == read


def test_one_number_on_three_accounts_is_told_to_operators(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    alarms = []
    for at, mobile in enumerate(("079 123 45 67", "+41 79 123 45 67", "0041791234567")):
        register(web, services, portal, f"person{at}@example.ch", mobile)
        db.session.rollback()
        found = select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == AuditTag.PHONE_SHARED.value)
        alarms.append(db.session.scalar(found))
    assert alarms == [0, 0, 1]
    assert set(db.session.scalars(select(Phone.number))) == {"+41791234567"}
