"""A person's browser and their portal's server, who walk whole journeys and note how long they waited for answers."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import select
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection

from bench.sides import OURS, SCOPE
from bench.walk import Place
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from tests.actions import PASSWORD, enter_details
from tests.support.relying_party import PORTAL_SECRET, VERIFIER, answer_of, challenge
from tests.support.served import RemotePerson

NEWEST = 20  # of the messages: so many persons may walk at once
END = "Votre inscription est terminée"


class _Noting(HTTPAdapter):
    """Tells how long each answer was waited for, in seconds."""

    def __init__(self, note: Callable[[float], None]) -> None:
        super().__init__()

        class Connection(HTTPConnection):
            def getresponse(self) -> HTTPResponse:
                began = time.perf_counter()
                self.sock.recv(1, socket.MSG_PEEK)
                note(time.perf_counter() - began)
                return super().getresponse()

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection  # type: ignore[assignment]

        self.poolmanager.pool_classes_by_scheme = {"http": Pool}


class Browser(RemotePerson):
    """`waited_ms` sums up what passed between the end of each request and the first byte of its answer; what requests
    calls elapsed has its own work on both of them in it, a fifth of a millisecond each.
    """

    def __init__(self, at: Place) -> None:
        super().__init__(at.issuer)
        self._at, self.waited_ms = at, 0.0
        self.http.mount("http://", _Noting(self._note))

    def _note(self, waited_s: float) -> None:
        self.waited_ms += waited_s * 1000

    def register(self, slug: str, code: str, email: str, mobile: str) -> None:
        """From the letter to the last page, by SMS. Raises `RuntimeError` where it ends elsewhere."""
        self.open(f"/{slug}/register/code")
        self.submit(code=code)
        self.submit(email=email)
        self.submit(otp=self._sent("mail", email))
        enter_details(self, factor="sms", mobile=mobile)
        self.submit(otp=self._sent("sms", mobile))
        if self.title != END:
            raise RuntimeError(f"a registration ended with {self.title!r} and {self.errors()}")

    def sign_in(self, client_id: str, callback: str, email: str, mobile: str) -> None:
        """From the portal's request to its tokens, by SMS. Raises `RuntimeError` where it ends elsewhere."""
        asked = {
            "client_id": client_id, "redirect_uri": callback, "response_type": "code", "scope": SCOPE, "state": "s",
            "nonce": "n", "code_challenge": challenge(), "code_challenge_method": "S256",
        }  # fmt: skip
        self.open(f"{OURS['authorize']}?{urlencode(asked)}")
        self.submit(email=email, password=PASSWORD)
        self.submit(otp=self._sent("sms", mobile))
        if not self.address.startswith(f"{callback}?") or "code=" not in self.address:
            raise RuntimeError(f"a sign-in ended with {self.title!r} and {self.errors()}")
        form = {"grant_type": "authorization_code", "code": answer_of(self.address)["code"], "redirect_uri": callback}
        with requests.Session() as portal:
            portal.mount("http://", _Noting(self._note))
            answer = portal.post(
                self.issuer + OURS["token"], data={**form, "code_verifier": VERIFIER}, timeout=30,
                auth=(client_id, PORTAL_SECRET),
            )  # fmt: skip
        if answer.status_code != requests.codes.ok or "id_token" not in answer.json():
            raise RuntimeError(f"the portal got no tokens: {answer.status_code} {answer.text}")

    def _sent(self, channel: str, to: str) -> str:
        """The code of the newest message to this address; nobody delivers it here."""
        db.session.rollback()
        rows = db.session.scalars(
            select(OutboxMessage)
            .where(OutboxMessage.channel == channel)
            .order_by(OutboxMessage.id.desc())
            .limit(NEWEST)
        )
        for content in (self._at.services.outbox.open(row) for row in rows):
            found = re.search(r"\b\d{6}\b", f"{content.subject}\n{content.text}")
            if content.to == to and found:
                return found[0]
        raise RuntimeError(f"no code was sent by {channel}; the page is {self.title!r} with {self.errors()}")
