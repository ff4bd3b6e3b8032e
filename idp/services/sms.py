"""SMS through a gateway over HTTPS: ASPSMS's JSON interface, or a generic webhook whose requests we sign."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Protocol
from uuid import UUID

import structlog

from idp.clock import SystemClock
from idp.services.http_out import LOOPBACK, Answer, OutgoingFailed, OutgoingRefused, Reach, post
from idp.services.mail import DeliveryFailed, Undeliverable
from idp.services.metrics import SMS, Metrics
from idp.services.outbox import Content
from idp.services.spans import Spans
from idp.settings import Settings

log = structlog.get_logger(__name__)
ASPSMS_OK = "1"
ASPSMS_NO_RECIPIENT = "20"  # the number is none that it sends to; every other refusal may pass or be mended


class SMSSender(Protocol):
    def send(self, content: Content, message_id: UUID) -> str:
        """Hand over one SMS; the gateway that took it, `provider` or `fallback`. Raises `Undeliverable` or
        `DeliveryFailed`.
        """
        ...


class Gateway(Protocol):
    def send(self, content: Content, message_id: UUID) -> None: ...


class ASPSMS:
    """https://json.aspsms.com, SendSimpleTextSMS: user key, password, originator; StatusCode 1 is success."""

    def __init__(self, settings: Settings, spans: Spans) -> None:
        self._settings = settings
        self._spans = spans

    def send(self, content: Content, message_id: UUID) -> None:
        body = {
            "UserName": self._settings.sms_user,
            "Password": self._settings.sms_secret.get_secret_value(),
            "Originator": self._settings.sms_sender,
            "Recipients": [content.to],
            "MessageText": content.text,
        }
        answer = _post(self._settings, json.dumps(body).encode(), {}, self._spans)
        if answer.status != 200:
            raise DeliveryFailed(f"the gateway answered {answer.status}")
        try:
            status = str(json.loads(answer.body)["StatusCode"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DeliveryFailed("the gateway answered without a status code") from None
        if status == ASPSMS_NO_RECIPIENT:
            raise Undeliverable("the gateway refused the number")
        if status != ASPSMS_OK:
            raise DeliveryFailed(f"the gateway answered status {status[:3]}")


class Webhook:
    """A POST of `{"id", "to", "sender", "text"}`, signed: `Connect-Signature: t=<unix>,v1=<hex HMAC of "t.body">`."""

    def __init__(self, settings: Settings, spans: Spans) -> None:
        self._settings = settings
        self._spans = spans

    def send(self, content: Content, message_id: UUID) -> None:
        body = json.dumps(
            {"id": str(message_id), "to": content.to, "sender": self._settings.sms_sender, "text": content.text}
        ).encode()
        moment = str(int(SystemClock().now().timestamp()))
        key = self._settings.sms_secret.get_secret_value().encode()
        signature = hmac.new(key, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        answer = _post(self._settings, body, {"Connect-Signature": f"t={moment},v1={signature}"}, self._spans)
        if answer.status in {400, 404, 410, 422}:
            raise Undeliverable(f"the gateway refused with status {answer.status}")
        if not 200 <= answer.status < 300:
            raise DeliveryFailed(f"the gateway answered {answer.status}")


class Gateways:
    """The gateway that the settings name first, and the other one where that fails this time. A number that the first
    one refuses is refused.

    A gateway that took the SMS over and did not say so may have sent it: then the person gets the same code twice.
    """

    def __init__(self, settings: Settings, metrics: Metrics, spans: Spans) -> None:
        self._settings = settings
        self._metrics = metrics
        self._spans = spans

    def send(self, content: Content, message_id: UUID) -> str:
        (name, settings), *others = in_order(self._settings)
        try:
            self._send(name, settings, content, message_id)
        except DeliveryFailed as error:
            if not others:
                raise
            log.warning("sms_fallback", message=str(message_id), gateway=name, error=str(error))
            ((name, settings),) = others
            self._send(name, settings, content, message_id)
        return name

    def _send(self, name: str, settings: Settings, content: Content, message_id: UUID) -> None:
        Counted(_gateway(settings, self._spans), name, self._metrics).send(content, message_id)


def in_order(settings: Settings) -> list[tuple[str, Settings]]:
    """The gateways as they are asked: the name of each, and the settings that make it the first."""
    found = [("provider", settings)]
    if (second := settings.sms_fallback) is not None:
        found.insert(0 if settings.sms_first == "fallback" else 1, ("fallback", second))
    return found


class Counted:
    """A gateway whose answers are counted."""

    def __init__(self, gateway: Gateway, name: str, metrics: Metrics) -> None:
        self._gateway = gateway
        self._name = name
        self._metrics = metrics

    def send(self, content: Content, message_id: UUID) -> None:
        outcome = "failed"
        try:
            self._gateway.send(content, message_id)
            outcome = "taken"
        except Undeliverable:
            outcome = "refused"
            raise
        finally:
            self._metrics.count(SMS, self._name, outcome)


def sms_sender(settings: Settings, metrics: Metrics, spans: Spans) -> SMSSender:
    """Through the gateways that the settings name when an SMS is sent."""
    return Gateways(settings, metrics, spans)


def _gateway(settings: Settings, spans: Spans) -> Gateway:
    return ASPSMS(settings, spans) if settings.sms_provider == "aspsms" else Webhook(settings, spans)


def _post(settings: Settings, body: bytes, headers: dict[str, str], spans: Spans) -> Answer:
    reach = Reach(
        LOOPBACK, allows_http=True, ca_file=settings.sms_ca_file, trusts_public_ca=not settings.sms_ca_file, spans=spans
    )
    try:
        return post(settings.sms_url, body, {"Content-Type": "application/json", **headers}, reach=reach)
    except (OutgoingFailed, OutgoingRefused) as error:
        raise DeliveryFailed(f"{type(error).__name__}: {error}") from None
