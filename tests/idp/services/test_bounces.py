"""Mails that came back are found in the mailbox of the sender (RFC 3464), and nobody forges that one did."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bounces import collect, read_report
from idp.services.bundle import Services
from idp.services.mail import SMTPMailSender

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def sent(services: Services, portal: Portal) -> EmailMessage:
    """A mail that was handed over."""
    services.outbox.mail("exists", to="helene@example.ch", language="fr", portal=portal, values={})
    db.session.flush()
    row = db.session.scalars(select(OutboxMessage)).one()
    mail = SMTPMailSender(services.settings).compose(services.outbox.open(row))
    db.session.execute(update(OutboxMessage).values(state="sent", sealed_content=None))
    db.session.commit()
    return mail


def report(message_id: str, action: str = "failed", status: str = "5.1.1", *, whole: bool = True) -> bytes:
    """As a mail server writes it."""
    mail = MIMEMultipart("report", report_type="delivery-status")
    mail["From"], mail["Subject"] = "MAILER-DAEMON@mx.example.ch", "Undelivered Mail Returned to Sender"
    mail.attach(MIMEText("This is the mail system at host mx.example.ch."))
    told = MIMEBase("message", "delivery-status")
    for block in ({"Reporting-MTA": "dns; mx.example.ch"},
                  {"Final-Recipient": "rfc822; helene@example.ch", "Action": action, "Status": status}):  # fmt: skip
        part = EmailMessage()
        for name, value in block.items():
            part[name] = value
        told.attach(part)
    mail.attach(told)
    original = MIMEBase("message", "rfc822") if whole else MIMEText(f"Message-ID: {message_id}\n", "rfc822-headers")
    if whole:
        inner = EmailMessage()
        inner["Message-ID"], inner["Subject"] = message_id, "Code"
        original.attach(inner)
    mail.attach(original)
    return mail.as_bytes()


def state() -> tuple[str, str | None]:
    db.session.rollback()
    row = db.session.scalars(select(OutboxMessage).execution_options(populate_existing=True)).one()
    return row.state, row.last_error


def with_mailbox(services: Services, path: Path) -> None:
    object.__setattr__(services, "settings", services.settings.model_copy(update={"bounce_mailbox": path}))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("kind", [mailbox.Maildir, mailbox.mbox])
def test_a_mail_that_came_back_is_found_once_and_its_report_goes(
    services: Services, sent: EmailMessage, tmp_path: Path, kind: type[mailbox.Mailbox[mailbox.Message]], whole: bool
) -> None:
    box = kind(str(tmp_path / "box"))
    box.add(report(str(sent["Message-ID"]), whole=whole))
    box.add(b"From: helene@example.ch\nSubject: Thank you\n\nHello\n")
    box.close()
    with_mailbox(services, tmp_path / "box")
    assert collect(services) == 1
    assert state() == ("bounced", "came back: 5.1.1")
    assert collect(services) == 0
    left = kind(str(tmp_path / "box"))
    assert [mail["Subject"] for mail in left] == ["Thank you"]
    left.close()


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("delivered", "2.0.0"), ("relayed", "2.0.0")])
def test_what_is_only_late_or_arrived_did_not_come_back(
    services: Services, sent: EmailMessage, action: str, status: str
) -> None:
    found = read_report(services, report(str(sent["Message-ID"]), action, status))
    assert found is not None
    assert found.failed is None


def test_nobody_says_of_another_mail_that_it_came_back(services: Services, sent: EmailMessage) -> None:
    name = str(sent["Message-ID"])
    ident = db.session.scalars(select(OutboxMessage.id)).one()
    assert str(ident) in name
    for forged in (
        f"<{ident}@{name.split('@')[1]}",
        f"<{ident}.{'A' * 20}@x>",
        name.replace(str(ident), str(UUID(int=7))),
    ):
        assert read_report(services, report(forged)) is None
    assert read_report(services, b"Content-Type: multipart/report; boundary=x\n\n--x\n" + bytes(range(256))) is None


def test_a_mailbox_that_is_away_stops_nothing(services: Services, tmp_path: Path) -> None:
    with_mailbox(services, tmp_path / "none" / "box")
    assert collect(services) == 0
