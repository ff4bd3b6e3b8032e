"""Delivers logout notices (Back-Channel Logout 1.0 §2.5): soon or not at all, for the person waits for it."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import Flask

from idp.models.base import db
from idp.models.outbox import Attempt, OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.courier import Courier
from idp.services.http_out import OutgoingFailed, OutgoingRefused, post
from idp.services.logout_notices import CHANNEL
from idp.services.settling import put_off, settle

BACK_OFF = (2, 10, 30, 120, 300)  # seconds; given up after the last
ANSWER_WITHIN_S = 4.0
POLL_S = 0.25
HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "*/*"}
DONE = {200, 204}  # §2.8, and what frameworks answer to an empty page


class LogoutCourier(Courier):
    def __init__(self, app: Flask) -> None:
        super().__init__(app, CHANNEL, POLL_S, _try)


def _try(attempt: Attempt) -> None:
    bundle = services()
    row = db.session.get_one(OutboxMessage, attempt.id)
    portal = db.session.get_one(Portal, row.portal_id)
    if portal.is_disabled or portal.backchannel_logout_uri is None:
        settle(attempt, CHANNEL, "dropped", bundle.clock.now())
        return
    if row.expires_at is not None and row.expires_at <= bundle.clock.now():
        settle(attempt, CHANNEL, "expired", bundle.clock.now())
        return
    uri, logout_token = portal.backchannel_logout_uri, bundle.logout_notices.logout_token(row, portal)
    body = urlencode({"logout_token": logout_token}).encode()
    db.session.rollback()  # nothing is held while the network is asked
    try:
        answer = post(uri, body, HEADERS, reach=bundle.reach, within=ANSWER_WITHIN_S)
    except OutgoingRefused as error:
        settle(attempt, CHANNEL, "dead", bundle.clock.now(), str(error))
    except OutgoingFailed as error:
        put_off(attempt, CHANNEL, BACK_OFF, bundle.clock.now(), str(error))
    else:
        if answer.status in DONE:
            settle(attempt, CHANNEL, "sent", bundle.clock.now())
        else:
            put_off(attempt, CHANNEL, BACK_OFF, bundle.clock.now(), f"status {answer.status}")
