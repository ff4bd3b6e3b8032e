"""E-mail addresses as identities: one mailbox is one account, and two that may be two people's are never one (F-28)."""

from __future__ import annotations

import unicodedata
from email import message_from_bytes, policy
from itertools import combinations

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from idp.models.account import Account
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.emails import MAX_LENGTH, normalise_email
from idp.services.mail import SMTPMailSender
from idp.services.outbox import Content
from idp.settings import Settings
from tests.actions import PASSWORD, letter, register
from tests.support.person import Person, newest_message

pytestmark = pytest.mark.both_engines

ONE = (  # spellings of one mailbox each, the normal form first
    ("helene@example.ch", "HELENE@EXAMPLE.CH", "Helene@Example.Ch", "  helene@example.ch\t", "helene\uff20example.ch",
     "helene@\uff45\uff58ample.ch", "helene@example\u3002ch", "helene@example\uff0ech", "helene@\u24d4xample.ch",
     "helene@example.ch\u2028"),
    ("helene@xn--zrich-kva.ch", "helene@zürich.ch", "helene@zu\u0308rich.ch", "HELENE@ZÜRICH.CH",
     "helene@ZU\u0308RICH.ch", "helene@XN--ZRICH-KVA.ch", "helene@Xn--Zrich-Kva.CH"),
    ("helene@xn--strae-oqa.ch", "helene@straße.ch", "helene@STRAẞE.ch"),
)  # fmt: skip
DIFFERENT = (  # each may be somebody else's
    "helene@example.ch", "helene+pk@example.ch", "helene+@example.ch", "h.elene@example.ch", "hel.ene@example.ch",
    "helene-x@example.ch", "helene_x@example.ch", "helene%x@example.ch", "helene!x@example.ch", "helene/x@example.ch",
    "he1ene@example.ch", "heIene1@example.ch", "helene@example.com", "helene@mail.example.ch", "helene@examp1e.ch",
    "helene@ex\u0430mple.ch", "helene@exampl\u0435.ch", "helene@exámple.ch", "helene@strasse.ch", "helene@straße.ch",
    "helene@fass.ch", "helene@faß.ch", "helene@istanbul.ch", "helene@\u0131stanbul.ch", "helene@\u0130stanbul.ch",
    "helene@zurich.ch", "helene@zürich.ch", "helene@zuerich.ch", "helene@example.\u0441h", "i@example.ch",
    "s@example.ch", "k@example.ch", "fi@example.ch", "viii@example.ch", "a/c@example.ch", "o'brien@example.ch",
    "obrien@example.ch",
)  # fmt: skip
NOT_TAKEN = (
    # A mail server that takes more than ASCII may keep a mailbox of its own for each (RFC 6531).
    "hélène@example.ch", "he\u0301le\u0300ne@example.ch", "\uff48elene@example.ch", "\u0130@example.ch",
    "\u0131@example.ch", "\u017f@example.ch", "\u212a@example.ch", "\ufb01@example.ch", "\u2177@example.ch",
    "\u2100@example.ch", "h\u0435lene@example.ch", "\u0456@example.ch", "helene\u0307@example.ch", "ß@example.ch",
    "\U0001d55c@example.ch", "a\u2024b@example.ch",
    # What nobody sees.
    "hel\u200bene@example.ch", "helene\u200b@example.ch", "helene@exam\u200bple.ch", "helene@example.ch\u200b",
    "\ufeffhelene@example.ch", "hel\u00adene@example.ch", "helene@exam\u00adple.ch", "helene@a\u200db.ch",
    "hel\u202eene@example.ch", "hel\u00a0ene@example.ch", "hel\u3000ene@example.ch", "helene\0@example.ch",
    "helene\x7f@example.ch", "hel\tene@example.ch",
    # Quotes, comments, routes and lists.
    '"helene"@example.ch', '"hel ene"@example.ch', '"a@b"@example.ch', '""@example.ch', "helene(x)@example.ch",
    "(x)helene@example.ch", "helene@example.ch(x)", "<helene@example.ch>", "Helene <helene@example.ch>",
    "@relay.ch:helene@example.ch", "a@example.ch,b@example.ch", "a@example.ch;b@example.ch",
    "a@example.ch b@example.ch", "a\uff20b@example.ch", "a@b@example.ch", "a@b\ufe6bexample.ch", "a\\b@example.ch",
    # Dots and lengths.
    ".helene@example.ch", "helene.@example.ch", "hel..ene@example.ch", "helene@example.ch.", "helene@.example.ch",
    "helene@example..ch", "helene@-example.ch", "helene@example-.ch", "helene@exa_mple.ch", "helene@localhost",
    "helene@[127.0.0.1]", "helene@[IPv6:::1]", "helene@127.0.0.1", "a" * 65 + "@example.ch",
    "helene@" + "a" * 64 + ".ch", "helene@" + "a." * 125 + "ch", "helene@xn--a.ch", "helene@xn--.ch",
    "helene@xn--z\xfcrich.ch", "", "@", "helene@", "@example.ch", "helene",
    # Encoded words and line ends.
    "=?utf-8?q?helene?=@example.ch", "helene@=?utf-8?q?example?=.ch", "a=?b@example.ch",
    "helene@example.ch\r\nBcc: thief@example.ch", "hel\nene@example.ch", "helene@example.ch\u2028Bcc: t@example.ch",
)  # fmt: skip


@pytest.mark.parametrize("spellings", ONE)
def test_spellings_of_one_mailbox_are_one_identity(spellings: tuple[str, ...]) -> None:
    assert {normalise_email(typed) for typed in spellings} == {spellings[0]}


def test_addresses_of_two_people_are_two_identities() -> None:
    found = {typed: normalise_email(typed) for typed in DIFFERENT}
    assert None not in found.values()
    assert [pair for pair in combinations(DIFFERENT, 2) if found[pair[0]] == found[pair[1]]] == []


@pytest.mark.parametrize("typed", NOT_TAKEN)
def test_what_might_be_another_s_or_nobody_s_is_not_taken(typed: str) -> None:
    assert normalise_email(typed) is None


TRICKY = st.one_of(
    st.sampled_from("abcABC019.+-_@@@=?%!'\"<>,;:() \t\r\n\0"),
    st.sampled_from("\u0130\u0131\u017f\u212a\uff20\uff45\u0430\u200b\u00adßẞéüe\u0301\u3002"),
    st.characters(),
)  # fmt: skip


@given(
    st.lists(TRICKY, max_size=30).map("".join), st.sampled_from(["", "@example.ch", "@zürich.ch", "@xn--zrich-kva.ch"])
)
@settings(max_examples=400, deadline=None)
def test_a_normal_form_is_final_plain_and_what_was_typed(local: str, end: str) -> None:
    typed = local + end
    normal = normalise_email(typed)
    if normal is None:
        return
    assert normalise_email(normal) == normal
    assert normal.isascii()
    assert normal.isprintable()
    assert normal == normal.lower()
    assert normal.count("@") == 1
    assert len(normal) <= MAX_LENGTH
    assert "=?" not in normal
    assert not set(normal) & set(' <>,;:"()[]\\')
    typed_local = typed.strip().replace("\uff20", "@").rpartition("@")[0]
    assert normal.rpartition("@")[0] == typed_local.lower(), "the mailbox of somebody else"


def accounts() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Account.email)))


@pytest.mark.parametrize("spelling", ["HELENE@zürich.ch", "helene@ZU\u0308RICH.CH", "helene\uff20XN--ZRICH-KVA.ch"])
def test_another_spelling_makes_no_second_account_and_opens_the_first(
    web: Flask, services: Services, portal: Portal, spelling: str
) -> None:
    register(web, services, portal, email="helene@zürich.ch")
    second = Person(web)
    second.open(f"/{portal.slug}/register/code")
    second.submit(code=letter(services, portal, "P-2"))
    second.submit(email=spelling)
    exists = services.texts.get("fr", "m.exists.subject", portal=portal.name("fr"), phone=portal.phone)
    assert newest_message("mail", "helene@xn--zrich-kva.ch").startswith(exists)
    for row in db.session.scalars(select(OutboxMessage).where(OutboxMessage.channel == "mail")):
        assert services.outbox.open(row).to == "helene@xn--zrich-kva.ch"
    third = Person(web)
    third.open(f"/{portal.slug}/login")
    third.submit(email=spelling, password=PASSWORD)
    assert third.title == "Saisissez le code SMS"
    assert accounts() == ["helene@xn--zrich-kva.ch"]


WORDS = ("=?utf-8?q?a=0D=0ABcc=3A_t=40example=2Ech?=", "=?utf-8?b?w6k=?=", "=?us-ascii?Q?x?=", "=?", "?=", "==??")
ENDS_OF_LINES = ("\r\n", "\n", "\r", "\t", "\v", "\f", "\x85", "\u2028", "\u2029", " ")
PIECES = st.sampled_from((*WORDS, *ENDS_OF_LINES)) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=9)
LINES = st.lists(PIECES, max_size=12).map("".join)


@pytest.mark.no_database
@given(LINES)
@settings(max_examples=300, deadline=None)
def test_whatever_a_subject_is_made_of_it_stays_the_subject(text: str) -> None:
    sender = SMTPMailSender(Settings.model_construct(mail_from="connect@example.ch"))
    content = Content("helene@example.ch", "text", text, "<p>html</p>", text, "help@example.ch", "fr")
    composed = sender.compose(content)
    read = message_from_bytes(composed.as_bytes(), policy=policy.default)
    assert sorted(read.keys()) == sorted(composed.keys())
    assert read["From"].addresses[0].addr_spec == "connect@example.ch"
    assert read["To"] == "helene@example.ch"
    said = "".join(text.replace("=?", "= ?").split())  # where a header is folded, white space may come or go
    assert unicodedata.normalize("NFC", "".join(str(read["Subject"]).split())) == unicodedata.normalize("NFC", said)
