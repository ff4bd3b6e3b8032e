"""The settings that operators may also change in the console, while everything runs, each within its bounds.

Never among them: addresses of servers, secrets, the issuer, proxies, keys, and what a process reads once at its start.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

Words = Annotated[tuple[str, ...], NoDecode]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Beyond these a limit protects nobody. The environment may say more: a measurement and a demonstration need it.
HIGHEST_CHOSEN = {
    "sign_ins_per_hour": 10_000, "letter_codes_per_hour": 3_000, "sends_per_hour": 10_000,
    "api_calls_per_hour": 1_000_000, "imports_per_hour": 1_000, "sms_per_day": 1_000_000,
}  # fmt: skip


class Choices(BaseModel):
    """The environment says what they are, unless somebody chose otherwise (idp/services/live_settings.py)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    support_phone: str = Field("", max_length=40, description="telephone shown where no portal is chosen yet")
    support_email: str = Field("", description="e-mail address shown where no portal is chosen yet")

    sms_first: Literal["provider", "fallback"] = Field(
        "provider", description="which of the two SMS gateways is asked first; the other one when it fails"
    )
    sms_sender: str = Field("Connect", min_length=1, max_length=11, description="sender name shown on the phone")
    sms_countries: Words = Field(
        ("CH", "LI", "DE", "AT", "FR", "IT"), description="countries SMS are sent to, comma separated"
    )
    sms_price: float = Field(
        0, ge=0, le=100, allow_inf_nan=False, description="price of one SMS in francs, for the figures of the console"
    )
    sms_per_day: int = Field(
        20_000, ge=1, description="SMS per portal and day before sending stops and operators are told"
    )

    sign_ins_per_hour: int = Field(
        600, ge=1, description="sign-in tries per hour of one network, an IPv4 address or an IPv6 /64; a company is one"
    )
    letter_codes_per_hour: int = Field(300, ge=1, description="letter codes per hour that one network may enter")
    sends_per_hour: int = Field(600, ge=1, description="codes by mail and SMS per hour that one network may ask for")
    api_calls_per_hour: int = Field(20_000, ge=1, description="requests per hour of one client of the admin API")
    imports_per_hour: int = Field(60, ge=1, description="files per hour that one access key of a feed may send")
    import_megabytes: int = Field(
        50, ge=1, le=200, description="largest file of persons that the console or a feed may send, in megabytes"
    )

    email_code_for: timedelta = Field(timedelta(minutes=30), ge=MINUTE, le=DAY, description="life of a mailed code")
    reset_code_for: timedelta = Field(
        timedelta(minutes=10), ge=MINUTE, le=HOUR, description="life of a mailed code for a new password"
    )
    sms_code_for: timedelta = Field(
        timedelta(minutes=10),
        ge=2 * MINUTE,
        le=10 * MINUTE,
        description="life of a texted code (SP 800-63B-4 §3.1.3.2)",
    )
    device_code_for: timedelta = Field(
        timedelta(minutes=10), ge=MINUTE, le=HOUR, description="life of a code that a device shows"
    )
    registration_idle_for: timedelta = Field(
        timedelta(hours=24), ge=2 * HOUR, le=31 * DAY, description="how long entries of a registration are kept"
    )
    login_idle_for: timedelta = Field(
        timedelta(minutes=30), ge=5 * MINUTE, le=DAY, description="how long an unused sign-in page stays valid"
    )

    session_idle_for: timedelta = Field(
        timedelta(minutes=30),
        ge=MINUTE,
        le=HOUR,
        description="a session ends when unused this long (SP 800-63B-4 §2.2.3)",
    )
    session_absolute_for: timedelta = Field(
        timedelta(hours=12),
        ge=MINUTE,
        le=DAY,
        description="a session ends after this in any case (SP 800-63B-4 §2.2.3)",
    )

    authorization_code_for: timedelta = Field(
        timedelta(seconds=60), ge=timedelta(seconds=10), le=DAY, description="life of an authorization code"
    )
    access_token_for: timedelta = Field(timedelta(minutes=10), ge=MINUTE, le=DAY, description="life of an access token")
    id_token_for: timedelta = Field(timedelta(minutes=10), ge=MINUTE, le=DAY, description="life of an ID token")
    refresh_idle_for: timedelta = Field(
        timedelta(days=7), ge=MINUTE, le=400 * DAY, description="a refresh token ends when unused this long"
    )
    refresh_absolute_for: timedelta = Field(
        timedelta(days=30), ge=MINUTE, le=400 * DAY, description="a refresh family ends after this in any case"
    )
    key_active_for: timedelta = Field(
        timedelta(days=90),
        ge=2 * DAY,
        le=400 * DAY,
        description="how long a signing key signs before the next takes over",
    )

    visits_kept_for: timedelta = Field(
        timedelta(days=400),
        ge=DAY,
        le=7305 * DAY,
        description="how long events of sign-ins, refusals and looks at persons name anybody",
    )
    changes_kept_for: timedelta = Field(
        timedelta(days=3653),
        ge=DAY,
        le=7305 * DAY,
        description="how long every other event names anybody; then it is redacted",
    )
    notes_kept_for: timedelta = Field(
        timedelta(days=730), ge=DAY, le=7305 * DAY, description="how long notes of calls are kept"
    )
    messages_kept_for: timedelta = Field(
        timedelta(days=30), ge=3 * DAY, le=400 * DAY, description="how long the console shows what became of a message"
    )

    @field_validator("sms_countries", mode="before")
    @classmethod
    def _split_countries(cls, value: object) -> object:
        return tuple(part.strip().upper() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _read_seconds(cls, value: object, info: ValidationInfo) -> object:
        is_span = cls.model_fields[info.field_name or ""].annotation is timedelta
        return int(value) if is_span and isinstance(value, str) and value.isdecimal() else value
