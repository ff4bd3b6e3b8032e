"""What can be wrong with a well-formed configuration: one sentence a fault, and never a value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from phonenumbers import SUPPORTED_REGIONS
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

if TYPE_CHECKING:
    from idp.settings import Settings

PREFIX = "CONNECT_"
PLACEHOLDERS = re.compile(
    r"change[-_ ]?me|secret|password|example|placeholder|xxx+|test|0000000|1234567", re.IGNORECASE
)
RANDOM_LOOKING = 20  # distinct characters; a long random value may hold "test" or "xxx" by chance
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
DATABASE = re.compile(r"sqlite:///[^:]+|postgresql\+psycopg://\S*")
LONGEST_HOST = 43  # what a code SMS leaves for the host in any language, see tests/house/test_messages.py
LONGEST_CODE_LIFE = timedelta(seconds=60)
YEAR = timedelta(days=365)
LARGEST_BLOCKLIST = 32 * 2**20  # bytes
SHORTEST_TOKEN = 32
TRACING_NEEDS = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")
PLACE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
MAILBOX = re.compile(r"[A-Za-z0-9._+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")  # nothing that a link or a header would read


@dataclass(frozen=True)
class Fault:
    """What is wrong with one setting: `kind` and what it names for the console's words, `reason` in English."""

    name: str
    kind: str
    reason: str
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        return f"{PREFIX}{self.name.upper()}: {self.reason}"


def issuer_faults(issuer: str) -> list[str]:
    parts = urlsplit(issuer)
    faults = []
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        return [f"{PREFIX}ISSUER: must be a full address such as https://connect.example.ch"]
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        faults.append(f"{PREFIX}ISSUER: must be https; http is for localhost only")
    if parts.path or parts.query or parts.fragment or parts.username:
        faults.append(f"{PREFIX}ISSUER: must be scheme and host only, without path and without a slash at the end")
    if len(parts.netloc) > LONGEST_HOST:
        faults.append(f"{PREFIX}ISSUER: the host may have {LONGEST_HOST} characters, because every SMS ends with it")
    return faults


def database_faults(url: str) -> list[str]:
    try:
        make_url(url)
        is_known = DATABASE.fullmatch(url) is not None
    except (ArgumentError, ValueError):
        is_known = False
    if not is_known:
        return [f"{PREFIX}DATABASE_URL: must begin with sqlite:/// and name a file, or with postgresql+psycopg://"]
    return []


def choice_faults(settings: Settings) -> list[Fault]:
    """Of what may also be chosen in the console."""
    faults = [
        Fault(name, "least", "at least a year (DPO art. 4 para. 5)", {"limit": "365 d"})
        for name in ("visits_kept_for", "changes_kept_for")
        if getattr(settings, name) < YEAR
    ]
    faults += [
        Fault(name, "above", f"must not be longer than {PREFIX}{most.upper()}")
        for name, most in (("session_idle_for", "session_absolute_for"), ("refresh_idle_for", "refresh_absolute_for"))
        if getattr(settings, name) > getattr(settings, most)
    ]
    if settings.authorization_code_for > LONGEST_CODE_LIFE:
        reason = "at most 60 seconds (FAPI 2.0 §5.3.2.1, ASVS 10.4.3)"
        faults.append(Fault("authorization_code_for", "most", reason, {"limit": "60 s"}))
    if settings.sms_first == "fallback" and settings.sms_fallback_provider == "none":
        faults.append(Fault("sms_first", "second", "there is no second gateway"))
    unknown = [country for country in settings.sms_countries if country not in SUPPORTED_REGIONS]
    if unknown or not settings.sms_countries:
        faults.append(Fault("sms_countries", "countries", "must be two-letter codes such as CH,LI"))
    if settings.support_email and not MAILBOX.fullmatch(settings.support_email):
        faults.append(Fault("support_email", "email", "must be one e-mail address of plain characters"))
    return faults


def protocol_faults(settings: Settings) -> list[str]:
    faults = []
    if settings.mtls_certificate_header and not settings.trusted_proxies:
        faults.append(f"{PREFIX}MTLS_CERTIFICATE_HEADER: needs a proxy that is trusted, {PREFIX}TRUSTED_PROXIES")
    if (settings.mtls_ca_file or settings.mtls_origin) and not settings.mtls_certificate_header:
        faults.append(f"{PREFIX}MTLS_CA_FILE, {PREFIX}MTLS_ORIGIN: need {PREFIX}MTLS_CERTIFICATE_HEADER")
    if settings.mtls_origin is not None:
        faults += [fault.replace("ISSUER", "MTLS_ORIGIN") for fault in issuer_faults(settings.mtls_origin)]
    return faults


def key_faults(value: SecretStr | None, descriptor: int | None, command: str | None) -> list[str]:
    if sum(source is not None for source in (value, descriptor, command)) != 1:
        return [f"{PREFIX}MASTER_KEY, {PREFIX}MASTER_KEY_FD, {PREFIX}MASTER_KEY_COMMAND: set exactly one of the three"]
    if value is not None and is_placeholder(value):
        return [f"{PREFIX}MASTER_KEY: this is a placeholder; make a real one with `connect key new-master`"]
    return []


def is_placeholder(secret: SecretStr) -> bool:
    text = secret.get_secret_value()
    return bool(PLACEHOLDERS.search(text)) and len(set(text)) < RANDOM_LOOKING


def place_faults(places: tuple[str, ...]) -> list[str]:
    return [
        f"{PREFIX}PORTALS_INSIDE: entry {count} is neither a host name nor a network such as 10.1.0.0/16"
        for count, place in enumerate(places, 1)
        if not (is_network(place) if "/" in place or ":" in place else PLACE.fullmatch(place))
    ]


def is_network(place: str) -> bool:
    try:
        ipaddress.ip_network(place)
    except ValueError:
        return False
    return True


def blocklist_faults(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        if file.stat().st_size > LARGEST_BLOCKLIST:
            return [f"{PREFIX}BLOCKLIST_FILE: has more than {LARGEST_BLOCKLIST // 2**20} MB"]
        is_empty = not file.read_text(encoding="utf-8").strip()
    except OSError:
        return [f"{PREFIX}BLOCKLIST_FILE: cannot be read"]
    except UnicodeDecodeError:
        return [f"{PREFIX}BLOCKLIST_FILE: is not UTF-8"]
    return [f"{PREFIX}BLOCKLIST_FILE: is empty"] if is_empty else []


def folder_faults(folder: Path | None) -> list[str]:
    is_there = folder is None or folder.is_dir()
    return [] if is_there else [f"{PREFIX}IMPORT_FOLDER: is no folder"]


def watching_faults(settings: Settings) -> list[str]:
    folder, token = settings.metrics_folder, settings.metrics_token
    faults = []
    if settings.tracing and not all(_is_installed(name) for name in TRACING_NEEDS):
        faults.append(f"{PREFIX}TRACING: needs the extra of the package, install connect-idp[otel]")
    if (folder is None) != (token is None):
        faults.append(f"{PREFIX}METRICS_FOLDER, {PREFIX}METRICS_TOKEN: set both or neither")
    if token is not None and (is_placeholder(token) or len(token.get_secret_value()) < SHORTEST_TOKEN):
        faults.append(f"{PREFIX}METRICS_TOKEN: needs at least {SHORTEST_TOKEN} random characters")
    return faults


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _gateway_faults(name: str, settings: Settings) -> list[str]:
    """Of one SMS gateway, which these settings name as the first."""
    faults, gateway, secret = [], urlsplit(settings.sms_url), settings.sms_secret
    if gateway.scheme != "https" and not (gateway.scheme == "http" and gateway.hostname in LOOPBACK):
        faults.append(f"{PREFIX}{name}_URL: must be https; http is for a gateway on this machine only")
    if settings.sms_provider == "aspsms" and not settings.sms_user:
        faults.append(f"{PREFIX}{name}_USER: ASPSMS needs the user key")
    if is_placeholder(secret):
        faults.append(f"{PREFIX}{name}_SECRET: this is a placeholder")
    if settings.sms_provider == "webhook" and len(secret.get_secret_value()) < 32:
        faults.append(f"{PREFIX}{name}_SECRET: the signing key of the webhook needs at least 32 characters")
    return faults


def delivery_faults(settings: Settings) -> list[str]:
    faults = []
    if settings.smtp_security == "none" and settings.smtp_host not in LOOPBACK:
        faults.append(f"{PREFIX}SMTP_SECURITY: none is for a mail server on this machine only")
    if bool(settings.smtp_username) != bool(settings.smtp_password):
        faults.append(f"{PREFIX}SMTP_USERNAME and {PREFIX}SMTP_PASSWORD: set both or neither")
    if settings.mail_from.count("@") != 1 or not settings.mail_from.isascii():
        faults.append(f"{PREFIX}MAIL_FROM: must be one e-mail address of plain characters")
    faults += _gateway_faults("SMS", settings)
    if (second := settings.sms_fallback) is not None:
        faults += _gateway_faults("SMS_FALLBACK", second)
    elif settings.sms_fallback_provider != "none":
        faults.append(f"{PREFIX}SMS_FALLBACK_SECRET: the second gateway needs one")
    if settings.smtp_password is not None and is_placeholder(settings.smtp_password):
        faults.append(f"{PREFIX}SMTP_PASSWORD: this is a placeholder")
    if settings.demo_folder and urlsplit(settings.issuer).hostname not in LOOPBACK:
        faults.append(f"{PREFIX}DEMO_FOLDER: the demonstration runs on localhost only")
    return faults
