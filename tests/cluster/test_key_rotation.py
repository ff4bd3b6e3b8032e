"""R-10: keys rotate while portals keep the published keys; no token is unknown to them, and none becomes so."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.keyring import FRESH_FOR
from tests.cluster.site import Site
from tests.support.portal_client import issue_code

ALG = "ES256"
PORTALS = 4  # of which each goes on with its own refresh token


class KeepingPortal:
    """It reads the published keys once between two rotations, and never because of a token: a key is published for a
    day before it signs, and nobody keeps keys for longer.
    """

    def __init__(self, site: Site, number: int) -> None:
        portal = db.session.get_one(Portal, site.portal.id)
        code = issue_code(site.services, portal, email=f"keeping{number}-{id(self)}@example.ch")
        self._site, self._refresh = site, site.redeem(code).json()["refresh_token"]
        self.tokens: list[str] = []
        self.keys = self.published()

    def published(self) -> KeySet:
        return KeySet.import_key_set(self._site.get("/jwks").json())

    def go_on(self, stop: Event, least: int) -> None:
        """Take tokens until told to stop, so many at least; each is verified with the keys that are kept."""
        taken = 0
        while taken < least or not stop.is_set():
            answer = self._site.refresh(self._refresh, self._site.instances[taken % 2])
            assert answer.status_code == 200, answer.text
            given: dict[str, Any] = answer.json()
            self._refresh = given["refresh_token"]
            jwt.decode(given["id_token"], self.keys, algorithms=[ALG])
            self.tokens.append(given["id_token"])
            taken += 1


@pytest.mark.parametrize(
    ("rotations", "each"), [(2, 4), pytest.param(20, 125, marks=pytest.mark.long, id="ten-thousand")]
)
def test_no_portal_meets_a_token_that_its_kept_keys_do_not_verify(site: Site, rotations: int, each: int) -> None:
    portals = [KeepingPortal(site, number) for number in range(PORTALS)]
    signers = set()
    for _ in range(rotations):
        rotated, work = Event(), []
        with ThreadPoolExecutor(PORTALS) as pool:
            work = [pool.submit(portal.go_on, rotated, each) for portal in portals]
            signers |= set(site.services.keyring.rotate(ALG))
            known_everywhere_at = time.monotonic() + FRESH_FOR.total_seconds()
            rotated.set()
        done: list[Future[None]] = work
        for one in done:
            one.result()
        time.sleep(max(0.0, known_everywhere_at - time.monotonic()))  # a day, in the world
        fresh = portals[0].published()
        for portal in portals:
            portal.keys = fresh
            for token in portal.tokens[-each:]:  # what was signed by the key before is good until it expires
                jwt.decode(token, fresh, algorithms=[ALG])
    assert len(signers) == rotations
    assert sum(len(portal.tokens) for portal in portals) >= rotations * each * PORTALS
