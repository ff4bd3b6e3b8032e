"""Mail by SMTP (RFC 5321) with STARTTLS or TLS and a checked certificate; one recipient a message."""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import suppress
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Protocol

from idp.clock import SystemClock
from idp.services.outbox import Content
from idp.settings import Settings

TIMEOUT_S = 10  # for each answer of the mail server
SPECIALS = re.compile(r'[<>@,;:"\\]')  # the library loses the quotes around them where it folds a long name
FORMAT = policy.SMTP.clone(cte_type="7bit")  # not every server says that it takes 8-bit content (RFC 6152)


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
            server = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryFailed(type(error).__name__) from None
        try:
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
        else:
            # The server took the mail over (RFC 5321 §4.2.5): a bad goodbye must not send it a second time.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            server.close()

    def probe(self) -> None:
        """Connect, sign in and take leave, sending nothing. Raises what `smtplib`, `ssl` and `socket` raise."""
        with self._connect() as server:
            server.noop()

    def compose(self, content: Content) -> EmailMessage:
        """Text and HTML of one mail; header values are set as data, so a line break in a name cannot add a header."""
        local, _, domain = self._settings.mail_from.rpartition("@")
        message = EmailMessage(FORMAT)
        name = " ".join(SPECIALS.sub(" ", _one_line(content.sender_name)).split())
        message["From"] = Address(display_name=name, username=local, domain=domain)
        message["To"] = _one_line(content.to)
        message["Subject"] = _one_line(content.subject)
        if content.reply_to:
            message["Reply-To"] = _one_line(content.reply_to)
        message["Date"] = format_datetime(SystemClock().now())
        message["Message-ID"] = f"<{content.name}@{domain}>" if content.name else make_msgid(domain=domain)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(content.text)
        message.add_alternative(content.html, subtype="html")
        message["Content-Language"] = content.language  # after the content, which takes such headers for its own
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
    """Without line breaks, also such as an encoded word (RFC 2047) would become when the header is written."""
    return " ".join(text.split()).replace("=?", "= ?")
