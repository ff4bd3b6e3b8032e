"""One frozen `Settings`, read once from the environment; every fault is reported at once, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator

from idp import setting_faults
from idp.choices import Choices, Words
from idp.setting_faults import PREFIX


class SettingsError(Exception):
    """The configuration cannot be used; `faults` lists every reason, one sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Settings(Choices):
    """What an installation decides. Each field is the environment variable `CONNECT_` + its name in capitals."""

    issuer: str = Field(description="public address of this installation, https; http only for localhost")
    database_url: str = Field("sqlite:///connect.db", repr=False, description="SQLite file or `postgresql+psycopg://…`")
    master_key: SecretStr | None = Field(
        None, description="32 random bytes in base64 (`connect key new-master` prints one)"
    )
    master_key_fd: int | None = Field(None, description="file descriptor to read the master key from, instead")
    master_key_command: str | None = Field(None, description="command whose output is the master key, instead")
    redis_url: SecretStr | None = Field(None, description="Redis or Valkey for shared volume limits; memory when empty")
    trusted_proxies: int = Field(0, ge=0, le=5, description="how many reverse proxies in front set `X-Forwarded-For`")
    mtls_certificate_header: str | None = Field(
        None, description="header in which the reverse proxy puts the client's certificate (PEM, percent-encoded)"
    )
    mtls_ca_file: Path | None = Field(
        None, description="certificate authorities whose client certificates prove a portal (`tls_client_auth`)"
    )
    mtls_origin: str | None = Field(
        None, description="second address of this installation, where the proxy asks portals for a certificate"
    )
    dpop_nonce: bool = Field(False, description="ask for a nonce of ours in every DPoP proof")

    mail_from: str = Field(description="sender address of every mail")
    smtp_host: str = Field(description="mail server")
    smtp_port: int = Field(587, ge=1, le=65535, description="its port")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`starttls`, `tls`; `none` only for a server on this machine"
    )
    smtp_username: str | None = Field(None, description="user at the mail server, if it asks for one")
    smtp_password: SecretStr | None = Field(None, description="password at the mail server")
    smtp_ca_file: Path | None = Field(None, description="certificate authority to trust for the mail server")

    bounce_mailbox: Path | None = Field(
        None, description="Maildir folder or mbox file of the sender address: reports of mails that came back are read"
    )

    sms_provider: Literal["aspsms", "webhook"] = Field("aspsms", description="`aspsms` or a generic signed `webhook`")
    sms_url: str = Field(
        "https://json.aspsms.com/SendSimpleTextSMS", description="address of the SMS gateway, https", repr=False
    )
    sms_user: str = Field("", description="ASPSMS user key; unused by the webhook", repr=False)
    sms_secret: SecretStr = Field(description="ASPSMS API password, or the key that signs webhook requests")
    sms_fallback_provider: Literal["none", "aspsms", "webhook"] = Field(
        "none", description="second SMS gateway, asked when the first one fails"
    )
    sms_fallback_url: str = Field(
        "https://json.aspsms.com/SendSimpleTextSMS", description="its address, https", repr=False
    )
    sms_fallback_user: str = Field("", description="its user key", repr=False)
    sms_fallback_secret: SecretStr | None = Field(None, description="its API password, or the key that signs requests")
    sms_ca_file: Path | None = Field(None, description="certificate authority to trust for the SMS gateway")

    portals_inside: Words = Field(
        (),
        description="host names and networks that addresses of portals (`jwks_uri`, logout notices) may lead to "
        "though they are not public, comma separated",
    )
    portals_ca_file: Path | None = Field(
        None, description="certificate authority to trust at these addresses, beside the public ones"
    )

    argon2_memory_kib: int = Field(19_456, ge=8, description="argon2id memory per password, KiB")
    argon2_passes: int = Field(2, ge=1, description="argon2id passes")
    installation_words: Words = Field(
        ("connect", "pension", "pensionskasse", "vorsorge", "caisse", "prevoyance", "cassa", "versicherung"),
        description="words that everybody here knows and that make no password strong, comma separated",
    )
    blocklist_file: Path | None = Field(
        None, description="passwords and words that nobody may choose, beside those we know: UTF-8, one a line"
    )
    hashes_at_once: int = Field(
        1, ge=1, description="passwords that one process hashes at once; over all processes, as many as there are cores"
    )
    hashes_waiting: int = Field(
        5,
        ge=1,
        description="requests that may wait for that in one process; both together at least two fewer than its threads",
    )

    import_folder: Path | None = Field(
        None,
        description="folder that the worker imports from: files of persons, in a folder named as the portal's slug",
    )

    trust_framework: str = Field(
        "ch_pension_fund_letter",
        pattern=r"^[a-z0-9_.:/-]{1,100}$",
        description="name of the rules by which persons are tied to their record, said in `verified_claims`",
    )

    embedded_worker: bool = Field(True, description="deliver mail and SMS from a thread of the web process")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line of our own that is logged; libraries are heard from `warning` on"
    )
    metrics_folder: Path | None = Field(
        None, description="folder in which the processes of this machine count what they do, best one in memory"
    )
    metrics_token: SecretStr | None = Field(
        None, description="bearer token that `/metrics` asks for, at least 32 characters; no figures when empty"
    )
    drain_file: Path | None = Field(
        None, description="while this file is there, `/readyz` sends new requests elsewhere"
    )
    slow_request_ms: int = Field(1000, ge=1, description="a request that takes longer is logged as slow")
    slow_query_ms: int = Field(200, ge=1, description="a statement to the database that takes longer is logged as slow")
    tracing: bool = Field(
        False, description="send spans to where the `OTEL_…` variables say; needs the package's extra `otel`"
    )
    audit_anchors: Path | None = Field(
        None, description="file, best on another machine, to which the worker adds an anchor of the audit chain hourly"
    )
    demo_folder: Path | None = Field(None, description="set by `dev.py demo` alone: shows /demo; never in production")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What was decided here; what is left as it is by default says nothing."""
        usual = {name: field.default for name, field in type(self).model_fields.items()}
        return ((name, value) for name, value in super().__repr_args__() if name is None or value != usual[name])

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `CONNECT_…` of the environment. Raises `SettingsError` with every fault; values are never repeated."""
        source = os.environ if environ is None else environ  # noqa: TID251 - this is the door
        given = {key[len(PREFIX) :].lower(): value for key, value in source.items() if key.startswith(PREFIX)}
        faults = [f"{PREFIX}{name.upper()}: there is no such setting" for name in given if name not in cls.model_fields]
        known = {name: value for name, value in given.items() if name in cls.model_fields and value != ""}
        try:
            settings = cls.model_validate(known)
        except ValidationError as error:
            raise SettingsError(
                faults + [_in_words(detail["loc"], detail["msg"]) for detail in error.errors()]
            ) from None
        faults += settings.faults()
        if faults:
            raise SettingsError(faults)
        return settings

    @field_validator("portals_inside", "installation_words", mode="before")
    @classmethod
    def _split_places(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(place for part in value.split(",") if (place := part.strip().lower()))

    def with_given(self, given: Mapping[str, str]) -> Settings:
        """These settings with some as they would be written in the environment; `faults` are asked for apart.
        Raises pydantic's `ValidationError`.
        """
        return self.model_validate({**dict(self), **given})

    def faults(self) -> list[str]:
        """What is wrong with a well-formed configuration, one sentence a fault."""
        return [
            *setting_faults.issuer_faults(self.issuer),
            *setting_faults.database_faults(self.database_url),
            *setting_faults.key_faults(self.master_key, self.master_key_fd, self.master_key_command),
            *setting_faults.delivery_faults(self),
            *setting_faults.protocol_faults(self),
            *(fault.sentence for fault in setting_faults.choice_faults(self)),
            *setting_faults.place_faults(self.portals_inside),
            *setting_faults.blocklist_faults(self.blocklist_file),
            *setting_faults.folder_faults(self.import_folder),
            *setting_faults.watching_faults(self),
        ]

    @property
    def sms_fallback(self) -> Settings | None:
        """The same settings with the second SMS gateway as the first; None where there is no second one."""
        if self.sms_fallback_provider == "none" or self.sms_fallback_secret is None:
            return None
        second = {
            "sms_provider": self.sms_fallback_provider, "sms_url": self.sms_fallback_url,
            "sms_user": self.sms_fallback_user, "sms_secret": self.sms_fallback_secret,
        }  # fmt: skip
        return self.model_copy(update={**second, "sms_fallback_provider": "none"})

    def blocked_passwords(self) -> list[str]:
        """The operator's own list; empty where there is none."""
        return self.blocklist_file.read_text(encoding="utf-8").splitlines() if self.blocklist_file else []

    @property
    def host(self) -> str:
        """Host and port of the issuer, as a browser sends it in `Host`."""
        return urlsplit(self.issuer).netloc

    @property
    def mtls_host(self) -> str | None:
        """Host and port of the address for client certificates."""
        return urlsplit(self.mtls_origin).netloc if self.mtls_origin else None

    def origin_at(self, host: str) -> str:
        """The one of our two addresses that a request to this host was sent to."""
        return self.mtls_origin if self.mtls_origin and host == self.mtls_host else self.issuer

    @property
    def is_https(self) -> bool:
        return self.issuer.startswith("https://")


def _in_words(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + str(location[0]).upper() if location else ""
    message = "is missing" if message == "Field required" else message.removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
