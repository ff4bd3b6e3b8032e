"""A person's browser and their portal's server, who walk whole journeys and note how long they waited for answers."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import requests
from sqlalchemy import select

from bench.sides import OURS, SCOPE
from bench.walk import Place
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from tests.actions import PASSWORD, enter_details
from tests.support.relying_party import PORTAL_SECRET, VERIFIER, answer_of, challenge
from tests.support.served import RemotePerson

NEWEST = 20  # of the messages: so many persons may walk at once
END = "Votre inscription est terminée"


class Browser(RemotePerson):
    """`waited_ms` sums up what passed between the end of each request and the head of its answer."""

    def __init__(self, at: Place) -> None:
        super().__init__(at.issuer)
        self._at, self.waited_ms = at, 0.0
        self.http.hooks["response"].append(self._note)

    def _note(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        self.waited_ms += answer.elapsed.total_seconds() * 1000

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
        answer = requests.post(
            self.issuer + OURS["token"], data={**form, "code_verifier": VERIFIER}, timeout=30,
            auth=(client_id, PORTAL_SECRET), hooks={"response": self._note},
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
