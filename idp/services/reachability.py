"""Whether the outside world can be reached as configured: the mail server, the SMS gateway, Redis. Nothing is sent."""

from __future__ import annotations

import ipaddress
import smtplib
import socket
import ssl
from urllib.parse import urlsplit

from idp.services.http_out import LOOPBACK
from idp.services.mail import SMTPMailSender
from idp.settings import Settings

TIMEOUT_S = 5


def mail_fault(settings: Settings) -> str | None:
    """Why no mail could be handed over now; None when it could."""
    try:
        SMTPMailSender(settings).probe()
    except (OSError, smtplib.SMTPException) as error:
        return f"mail server {settings.smtp_host}:{settings.smtp_port}: {_in_words(error)}"
    return None


def sms_fault(settings: Settings) -> str | None:
    """Why no SMS could be handed over now. The user and the key are not tried: that would cost a message."""
    parts = urlsplit(settings.sms_url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as plain:
            if host not in LOOPBACK and not ipaddress.ip_address(plain.getpeername()[0]).is_global:
                return f"SMS gateway {host}: its address is not public, so nothing is sent there"
            if parts.scheme == "https":
                context = ssl.create_default_context(cafile=settings.sms_ca_file)
                context.wrap_socket(plain, server_hostname=host).close()
    except OSError as error:
        return f"SMS gateway {host}:{port}: {_in_words(error)}"
    return None


def redis_fault(settings: Settings) -> str | None:
    """Why Redis does not answer; None when it does or is not configured."""
    if settings.redis_url is None:
        return None
    import redis  # its driver is loaded where there is one

    try:
        with redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=TIMEOUT_S) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        return f"Redis: {type(error).__name__}"
    return None


def _in_words(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate cannot be trusted ({error.verify_message})"
        case ssl.SSLError():
            return "it does not speak TLS there"
        case socket.gaierror():
            return "there is no such name"
        case ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError():
            return "it does not answer in time"
        case smtplib.SMTPAuthenticationError():
            return "it refuses our user name and password"
        case smtplib.SMTPNotSupportedError():
            return "it does not offer what is configured (STARTTLS, or signing in)"
    return type(error).__name__
