"""How a try at a message ended: settled for good, or put off; said in the log, and only by whoever still holds it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from idp.models.outbox import Attempt, end_attempt
from idp.services.bundle import services
from idp.services.metrics import MESSAGES

log = structlog.get_logger(__name__)


def settle(
    attempt: Attempt, channel: str, state: str, now: datetime, error: str | None = None, gateway: str | None = None
) -> None:
    """The message is sent, expired, dead or dropped, and its content is wiped; of an SMS, which gateway took it."""
    values = {"state": state, "settled_at": now, "last_error": error, "sealed_content": None, "gateway": gateway}
    if not end_attempt(attempt, is_sent=state == "sent", **values):
        _say_lost(attempt, channel)
        return
    services().metrics.count(MESSAGES, channel, state)
    log.info(
        "message_settled", message=str(attempt.id), channel=channel, state=state, tries=attempt.number, error=error,
        gateway=gateway,
    )  # fmt: skip


def put_off(attempt: Attempt, channel: str, back_off: Sequence[int], now: datetime, error: str) -> None:
    """Try again later; given up after the last of these waits, in seconds."""
    if attempt.number > len(back_off):
        settle(attempt, channel, "dead", now, error)
        return
    due_at = now + timedelta(seconds=back_off[attempt.number - 1])
    if not end_attempt(attempt, is_sent=False, state="waiting", due_at=due_at, last_error=error):
        _say_lost(attempt, channel)
        return
    services().metrics.count(MESSAGES, channel, "put_off")
    log.warning("message_put_off", message=str(attempt.id), channel=channel, tries=attempt.number, error=error)


def _say_lost(attempt: Attempt, channel: str) -> None:
    services().metrics.count(MESSAGES, channel, "lost")
    log.warning("lease_lost", message=str(attempt.id), channel=channel, tries=attempt.number)
