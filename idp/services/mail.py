"""Mail by SMTP (RFC 5321) with STARTTLS or TLS and a checked certificate; one recipient a message."""

from __future__ import annotations

import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Protocol

from idp.clock import SystemClock
from idp.services.outbox import Content
from idp.settings import Settings

TIMEOUT_S = 15


class Undeliverable(Exception):
    """The receiving side refused for good: trying again is useless."""


class DeliveryFailed(Exception):
    """It did not work this time; the class of the cause is in the message, never an address."""


class MailSender(Protocol):
    def send(self, content: Content) -> None:
        """Hand over one mail. Raises `Undeliverable` or `DeliveryFailed`."""
        ...


class SMTPMailSender:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, content: Content) -> None:
        message = self.compose(content)
        try:
            with self._connect() as server:
                server.send_message(message, self._settings.mail_from, [content.to])
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if all(500 <= code < 600 for code in codes):
                raise Undeliverable("the mail server refused the recipient") from None
            raise DeliveryFailed("the mail server refused the recipient for now") from None
        except smtplib.SMTPDataError as error:
            kind = Undeliverable if 500 <= error.smtp_code < 600 else DeliveryFailed
            raise kind(f"the mail server answered {error.smtp_code} to the content") from None
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryFailed(type(error).__name__) from None

    def compose(self, content: Content) -> EmailMessage:
        """Text and HTML of one mail; header values are set as data, so a line break in a name cannot add a header."""
        local, _, domain = self._settings.mail_from.rpartition("@")
        message = EmailMessage()
        message["From"] = Address(display_name=_one_line(content.sender_name), username=local, domain=domain)
        message["To"] = _one_line(content.to)
        message["Subject"] = _one_line(content.subject)
        message["Reply-To"] = _one_line(content.reply_to)
        message["Date"] = format_datetime(SystemClock().now())
        message["Message-ID"] = make_msgid(domain=domain)
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = content.language
        message.set_content(content.text)
        message.add_alternative(content.html, subtype="html")
        return message

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.smtp_ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S, context=context
            )
        else:
            server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S)
        try:
            if settings.smtp_security == "starttls":
                server.starttls(context=context)
            if settings.smtp_username and settings.smtp_password:
                server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server


def _one_line(text: str) -> str:
    return " ".join(text.split())
