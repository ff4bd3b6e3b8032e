"""What is sent: SMS of one segment however long names are, mails that say the same in text and HTML (U19)."""

from __future__ import annotations

import html
import re
from email.message import EmailMessage

import pytest
from flask import Flask
from sqlalchemy import select

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.gsm import SEGMENT, septets
from idp.services.mail import SMTPMailSender
from idp.setting_faults import LONGEST_HOST
from idp.texts import LANGUAGES, PLACEHOLDER, Texts

LARGEST_MAIL = 20 * 1024
LONGEST_SHORT_NAME = 20  # idp/services/portals.py
VALUES = {
    "code": {"code": "123456", "time": "14:30"},
    "exists": {},
    "reset": {"code": "123456", "time": "14:30"},
    "welcome": {"email": "helene@example.ch", "url": "https://connect.example.ch/cpx/login"},
    "notice": {
        "event": "Mot de passe modifié", "date": "27.3.2026", "time": "14:30", "device": "Firefox", "place": "Bern",
        "phone": "058 123 45 67",
    },
    "operator": {
        "url": "https://connect.example.ch/admin/invitation#cc_oi_x", "host": "connect.example.ch",
        "date": "27.3.2026", "time": "14:30",
    },
}  # fmt: skip
TEXTS = Texts.load()
KINDS = {kind for kind in VALUES if f"m.{kind}.body" in TEXTS.keys()}  # noqa: SIM118 - not a mapping


def test_every_mail_and_every_sms_is_looked_at() -> None:
    mails = {key.split(".")[1] for key in TEXTS.keys() if key.startswith("m.")}  # noqa: SIM118
    assert mails == set(VALUES)
    assert {key for key in TEXTS.keys() if key.startswith("s.")} == {"s.code", "s.changed", "s.letter", "s.reset"}  # noqa: SIM118


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_sms_is_one_segment_of_the_gsm_alphabet(language: str) -> None:
    host = "h" * LONGEST_HOST
    code = TEXTS.get(language, "s.code", code="123456", pname="Ñ" * LONGEST_SHORT_NAME, host=host, minutes=10)
    assert code.endswith(f"\n\n@{host} #123456"), "the last line binds the code to our origin, and nothing follows it"
    assert code.count("@") == 1
    told = [TEXTS.get(language, key, phone="+41 (0)58 123 45 67 89 01") for key in ("s.changed", "s.letter", "s.reset")]
    for text in (code, *told):
        length = septets(text)
        assert length is not None, f"outside the alphabet: {[c for c in text if septets(c) is None]}"
        assert length <= SEGMENT
        assert "http" not in text, "never an address to touch in an SMS"
        assert not PLACEHOLDER.search(text)


def test_the_longest_host_is_really_the_longest() -> None:
    room = [
        SEGMENT
        - (
            septets(TEXTS.get(language, "s.code", code="1" * 6, pname="P" * LONGEST_SHORT_NAME, host="", minutes=10))
            or 0
        )
        for language in LANGUAGES
    ]
    assert min(room) == LONGEST_HOST


def composed(services: Services, portal: Portal, kind: str, language: str) -> EmailMessage:
    services.outbox.mail(kind, to="helene@example.ch", language=language, portal=portal, values=VALUES[kind])
    db.session.flush()
    row = db.session.scalar(select(OutboxMessage))
    assert row is not None
    return SMTPMailSender(services.settings).compose(services.outbox.open(row))


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def words(text: str) -> list[str]:
    return text.replace("\u00a0", " ").split()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_mail_says_the_same_in_text_and_html(
    app: Flask, services: Services, portal: Portal, kind: str, language: str
) -> None:
    message = composed(services, portal, kind, language)
    text, markup = part(message, "plain"), part(message, "html")
    body = re.sub(r"<head>.*?</head>", "", markup, flags=re.DOTALL)
    shown = html.unescape(re.sub(r"<[^>]+>", " ", body))
    assert words(shown) == [word for word in words(text) if word != "--"]
    for value in VALUES[kind].values():
        assert value in text or value in str(message["Subject"])
    assert not PLACEHOLDER.search(text + markup + str(message["Subject"]))
    assert f'<html lang="{language}">' in markup
    assert message["Content-Language"] == language
    assert portal.phone in text
    assert portal.email in text


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_mail_loads_nothing_and_is_small(app: Flask, services: Services, portal: Portal, kind: str) -> None:
    for language in LANGUAGES:
        message = composed(services, portal, kind, language)
        markup = part(message, "html")
        assert len(message.as_bytes()) <= LARGEST_MAIL
        assert not re.search(r"<(img|link|script|iframe|object|form|style|video|audio|a)\b|url\(|@import|src=", markup)
        assert [found.get_content_type() for found in message.walk()] == [
            "multipart/alternative", "text/plain", "text/html",
        ]  # fmt: skip
        assert message["Auto-Submitted"] == "auto-generated"
        assert str(message["Reply-To"]) == portal.email
        if "code" in VALUES[kind]:
            assert "http" not in markup + part(message, "plain"), "no address to touch in a mail with a code"
            assert "123456" in str(message["Subject"])
        db.session.rollback()


def test_a_name_of_a_portal_is_text_in_every_mail(app: Flask, services: Services, portal: Portal) -> None:
    portal.names = {"fr": "<b>Caisse</b> & {code} **X** {{7*7}}"}
    message = composed(services, portal, "code", "fr")
    assert portal.names["fr"] in part(message, "plain")
    assert "&lt;b&gt;Caisse&lt;/b&gt; &amp; {code}" in part(message, "html")
