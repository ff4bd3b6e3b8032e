"""What came back: delivery reports in a mailbox (RFC 3464), and receipts of the SMS gateway.

A mail names its row and a short MAC in its Message-ID, so nobody can say of another's mail that it came back. Reports
are read by machine alone; what is none stays in the mailbox.
"""

from __future__ import annotations

import hmac
import mailbox
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import Message
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import update

from idp.models.base import db, write
from idp.models.outbox import OutboxMessage
from idp.services.bundle import Services
from idp.services.outbox import OUR_ID, id_mac

LARGEST, MOST = 512 * 1024, 500  # bytes of one report, reports of one pass
STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")  # RFC 3463

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Report:
    """One delivery report about a mail of ours: its row, and the status if it failed for good."""

    message_id: UUID
    failed: str | None


def collect(bundle: Services) -> int:
    """Read what lies in the mailbox of the settings; how many mails are known to have come back since."""
    path = bundle.settings.bounce_mailbox
    if path is None:
        return 0
    try:
        return _collect(bundle, path)
    except (OSError, mailbox.Error) as error:
        log.error("bounce_mailbox", error=type(error).__name__)
        return 0


def read_report(bundle: Services, raw: bytes) -> Report | None:
    """What a mail reports (RFC 3464 §2); None where it is no report, or not about a mail of ours."""
    mail = message_from_bytes(raw[:LARGEST], policy=policy.default)
    if mail.get_content_type() != "multipart/report":
        return None
    ident, failed = None, None
    for part in mail.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            failed = failed or _failure(part)
        elif kind in {"message/rfc822", "text/rfc822-headers"}:
            ident = ident or _ours(bundle, _headers_of(part))
    return Report(ident, failed) if ident else None


def bounce(message_id: UUID, channel: str, status: str, now: datetime) -> bool:
    """What was handed over came back; False where it was not sent, or is known to be back."""
    return _settle(message_id, channel, "bounced", now, last_error=f"came back: {status}")


def confirm(message_id: UUID, now: datetime) -> bool:
    """The network says that an SMS arrived."""
    return _settle(message_id, "sms", "delivered", now)


def _settle(message_id: UUID, channel: str, state: str, now: datetime, **more: str) -> bool:
    row = (OutboxMessage.id == message_id, OutboxMessage.channel == channel, OutboxMessage.state == "sent")
    done = write(
        update(OutboxMessage)
        .where(*row)
        .values(state=state, settled_at=now, **more)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    if done == 1:
        log.info("message_settled", message=str(message_id), channel=channel, state=state)
    return done == 1


def _collect(bundle: Services, path: Path) -> int:
    box: mailbox.Maildir | mailbox.mbox = (
        mailbox.Maildir(path, create=False) if path.is_dir() else mailbox.mbox(path, create=False)
    )
    done = 0
    box.lock()
    try:
        for key in [key for _, key in zip(range(MOST), _fresh(box), strict=False)]:
            report = read_report(bundle, box.get_bytes(key))
            if report is None:
                _put_aside(box, key)
                continue
            if report.failed and bounce(report.message_id, "mail", report.failed, bundle.clock.now()):
                done += 1
            box.remove(key)
        box.flush()
    finally:
        box.unlock()
        box.close()
    return done


def _fresh(box: mailbox.Maildir | mailbox.mbox) -> Iterator[str]:
    """What nobody looked at: new mail of a folder, unseen mail of a file."""
    for key in box.keys():  # noqa: SIM118 - a mailbox is no mapping
        found = box[key]
        is_new = (
            found.get_subdir() == "new" if isinstance(found, mailbox.MaildirMessage) else "R" not in found.get_flags()
        )
        if is_new:
            yield key


def _put_aside(box: mailbox.Maildir | mailbox.mbox, key: str) -> None:
    """For people to read; not looked at again."""
    found = box[key]
    if isinstance(found, mailbox.MaildirMessage):
        found.set_subdir("cur")
        found.add_flag("S")
    else:
        found.add_flag("RO")
    box[key] = found


def _failure(part: Message) -> str | None:
    """The status of a recipient for whom delivery was given up."""
    blocks = part.get_payload()
    for block in blocks if isinstance(blocks, list) else []:
        if isinstance(block, Message) and str(block.get("Action", "")).strip().lower() == "failed":
            found = STATUS.search(str(block.get("Status", "")))
            return found[0] if found else "5.0.0"
    return None


def _headers_of(part: Message) -> str:
    """The Message-ID of the mail that was sent."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return str(payload[0]["Message-ID"]) if payload and isinstance(payload[0], Message) else ""
    body = part.get_payload(decode=True)
    return str(message_from_bytes(body).get("Message-ID", "")) if isinstance(body, bytes) else ""


def _ours(bundle: Services, message_id: str) -> UUID | None:
    found = OUR_ID.search(message_id)
    if found is None:
        return None
    ident = UUID(found[1])
    return ident if hmac.compare_digest(found[2], id_mac(bundle.vault, ident)) else None
