"""What messages say, looked at in the console: every one in four languages, a portal's own words, nothing sent."""

from __future__ import annotations

import html

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.message_samples import MAILS, OPERATOR, SMS
from idp.texts import LANGUAGES, PLACEHOLDER, Texts
from tests.support.builders import add_portal
from tests.support.console import said
from tests.support.operators import add_operator, sign_in

pytestmark = pytest.mark.sqlite_only
EMAIL = "olga@fund.example.ch"


def test_every_message_is_among_them_and_no_place_is_left_open(
    app: Flask, services: Services, portal: Portal
) -> None:  # fmt: skip
    keys = Texts.load().keys()
    mails = {key for key in keys if key.startswith("m.") and key.endswith(".body")}
    assert {f"m.{kind}.body" for kind in (*MAILS, OPERATOR)} == mails
    assert {f"s.{kind}" for kind in SMS} == {key for key in keys if key.startswith("s.")}
    made = services.message_samples
    samples = [*made.mails(portal), *made.sms(portal), *made.mails(None)]
    assert len(samples) == len(LANGUAGES) * (len(MAILS) + len(SMS) + 1)
    for one in samples:
        assert one.lines
        assert not PLACEHOLDER.search(one.subject + " ".join(one.lines)), one


def test_a_preview_says_what_is_sent_in_the_words_of_the_chosen_portal_and_sends_nothing(
    web: Flask, services: Services, portal: Portal
) -> None:
    add_portal("fon", texts={"de": {"m.exists.body": "Sie sind schon <da>."}})
    add_operator(services, EMAIL, ["support"])
    olga = sign_in(web, services, EMAIL)
    before = db.session.scalar(select(func.count()).select_from(OutboxMessage))
    olga.open("/admin/messages/texts?portal=fon")
    assert "Sie sind schon &lt;da&gt;." in olga.text
    for language in LANGUAGES:
        sent = services.outbox.mail(
            "code", to="a@b.ch", language=language, portal=db.session.merge(portal),
            values={"code": "123456", "time": "14:30"},
        )  # fmt: skip
        said_there = services.outbox.open(db.session.get_one(OutboxMessage, sent)).text
        lines = said_there.replace("CPX", "FON").replace("cpx", "fon").splitlines()
        db.session.rollback()
        for line in lines:
            assert html.escape(line, quote=False).replace("'", "&#39;") in olga.text, line
    olga.open("/admin/messages/texts?portal=cpx")
    assert "Sie sind schon" not in olga.text
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(OutboxMessage)) == before


def test_the_desk_of_one_portal_sees_the_texts_of_no_other_and_not_the_invitation(
    web: Flask, services: Services, portal: Portal
) -> None:
    add_portal("fon", texts={"de": {"m.exists.body": "Nur hier."}})
    add_operator(services, EMAIL, ["support@cpx"])
    olga = sign_in(web, services, EMAIL)
    olga.open("/admin/messages/texts?portal=fon")
    assert "Nur hier." not in olga.text
    assert "Caisse CPX" in said(olga)
    assert Texts.load().get("fr", "msg.t.mail.operator") not in olga.text


def test_the_sms_tells_the_time_that_is_set(app: Flask, services: Services, portal: Portal) -> None:
    services.setting_changes.apply({"sms_code_for": "300"}, 0)
    sent = services.outbox.sms("code", to="+41791234567", language="de", portal=portal, values={"code": "123456"})
    assert "5 Minuten gültig" in services.outbox.open(db.session.get_one(OutboxMessage, sent)).text


def test_the_gateway_that_is_asked_first_and_the_one_that_took_an_sms_are_told(
    web: Flask, services: Services, portal: Portal
) -> None:
    sent = services.outbox.sms("code", to="+41791234567", language="de", portal=portal, values={"code": "123456"})
    row = db.session.get_one(OutboxMessage, sent)
    row.state, row.gateway = "sent", "provider"
    db.session.commit()
    add_operator(services, EMAIL, ["security"])
    olga = sign_in(web, services, EMAIL)
    olga.open("/admin/messages")
    texts = Texts.load()
    gateway = texts.get("fr", "set.gateway.provider", kind="Webhook")
    assert texts.get("fr", "msg.first", gateway=gateway) in olga.text
    assert f"{texts.get('fr', 'msg.state.sent')} ({gateway})" in said(olga)
    assert 'href="/admin/settings/sms"' in olga.text
