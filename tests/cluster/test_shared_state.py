"""What one instance is told, the other one knows: limits are counted over both, and an end is an end (T-14, C-26)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import pytest
from sqlalchemy import func, select

from examples.cluster.instance import Instance
from flows.journeys import REGISTRATION
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.attempts import LETTER_CODE
from idp.services.audit import AuditTag
from idp.services.registration_codes import generate
from tests.attacks.test_disabled import set_status
from tests.cluster.conftest import LETTER_CODES_PER_HOUR
from tests.cluster.site import Site, at_once
from tests.support.figures import Figures
from tests.support.prepared import stand
from tests.support.relying_party import answer_of
from tests.support.waiting import wait_until

EFFECTIVE_WITHIN_S = 1.0
LOOKS_FOR_S = 1.5
AT_ONCE = 4
GROUPS = pytest.mark.parametrize(
    ("groups", "persons"), [(1, 1), pytest.param(40, 25, marks=pytest.mark.long, id="a-thousand")]
)
NETWORKS = tuple(f"203.0.113.{number}" for number in range(9, 14))
_turns = count()


def refused_codes() -> int:
    db.session.rollback()
    events = select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == AuditTag.CODE_REFUSED.value)
    return db.session.scalar(events) or 0


def redis_losses(site: Site) -> float:
    """How often a process lost Redis, and counted alone until it was back; a busy machine is enough for that."""
    token = site.cluster.environ["CONNECT_METRICS_TOKEN"]
    shown = site.get("/metrics", site.instances[0], Authorization=f"Bearer {token}")
    return Figures.read(shown.text).of("connect_redis_losses_total")


def test_what_a_network_may_ask_and_what_it_may_guess_is_counted_over_both_instances(site: Site) -> None:
    portal, asked = db.session.get_one(Portal, site.portal.id), 2 * LETTER_CODES_PER_HOUR
    for network in NETWORKS:
        stands = [stand(site.services, portal, REGISTRATION, "registration_code") for _ in range(asked)]
        db.session.commit()
        turns = [
            partial(site.send, one, at, network, code=generate(site.services.random))
            for one, at in zip(stands, site.alternately(asked), strict=True)
        ]
        lost, judged = redis_losses(site), refused_codes()
        answers = Counter(one.status_code for one in at_once(turns))
        assert refused_codes() - judged == LETTER_CODE.waits[0][0]
        if redis_losses(site) == lost:
            break
        wait_until(lambda: all(at.readiness().get("redis") == "ok" for at in site.instances))
    assert answers == {303: LETTER_CODES_PER_HOUR, 429: asked - LETTER_CODES_PER_HOUR}


def last_served(site: Site, serves: Callable[[Instance], bool], since: float) -> float:
    """How long after that moment an instance was asked that still served; each was asked once a second had passed."""
    latest = 0.0
    while True:
        begun = time.monotonic() - since
        if any(serves(at) for at in site.instances):
            latest = begun
        elif begun > EFFECTIVE_WITHIN_S:
            return latest
        if begun > LOOKS_FOR_S:
            return latest
        time.sleep(0.05)


class SignedIn:
    """A person with a browser, a portal with tokens, and all that these open."""

    def __init__(self, site: Site, email: str) -> None:
        self.site, self.email, self.browser = site, email, site.browser()
        self.tokens = site.redeem(site.sign_in(self.browser, email)).json()
        self.cookie = "; ".join(f"{one.name}={one.value}" for one in self.browser.http.cookies)

    def is_served(self, at: Instance) -> bool:
        """By single sign-on, by the account's page, or by a token."""
        silent = self.site.get(self.site.request(prompt="none"), at, Cookie=self.cookie)
        page = self.site.get("/account", at, Cookie=self.cookie)
        return "code" in answer_of(silent.headers["Location"]) or page.status_code == 200 or self.token_serves(at)

    def token_serves(self, at: Instance) -> bool:
        bearer = f"Bearer {self.tokens['access_token']}"
        return self.site.get("/userinfo", at, Authorization=bearer).status_code == 200


def sign_out(one: SignedIn) -> None:
    one.browser.open("/logout")
    one.browser.submit()


def disable(one: SignedIn) -> None:
    set_status(one.email, "disabled")


def revoke(one: SignedIn) -> None:
    """At the instances in turns."""
    at = one.site.instances[next(_turns) % 2]
    assert one.site.post("/revoke", at, token=one.tokens["refresh_token"]).status_code == 200


def ended(site: Site, persons: int, end: Callable[[SignedIn], None]) -> list[tuple[SignedIn, float]]:
    """So many, whom everything served before, and when each was ended."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        people = list(pool.map(partial(SignedIn, site), site.new_emails(persons)))
    at = []
    for one in people:
        assert all(one.is_served(instance) and one.token_serves(instance) for instance in site.instances)
        end(one)
        at.append(time.monotonic())
    return list(zip(people, at, strict=True))


@GROUPS
@pytest.mark.parametrize("end", [sign_out, disable])
def test_who_signed_out_or_was_disabled_is_served_by_no_instance_a_second_later(
    site: Site, groups: int, persons: int, end: Callable[[SignedIn], None]
) -> None:
    for _ in range(groups):
        for one, since in ended(site, persons, end):
            assert last_served(site, one.is_served, since) < EFFECTIVE_WITHIN_S
            one.browser.http.close()


@GROUPS
def test_a_token_revoked_at_one_instance_is_good_at_none_a_second_later(site: Site, groups: int, persons: int) -> None:
    for _ in range(groups):
        for one, since in ended(site, persons, revoke):
            assert last_served(site, one.token_serves, since) < EFFECTIVE_WITHIN_S
            one.browser.http.close()


def test_a_portal_that_is_disabled_gets_nothing_from_any_instance_a_second_later(site: Site) -> None:
    (email,) = site.new_emails(1)
    one = SignedIn(site, email)
    refresh = one.tokens["refresh_token"]
    for at in site.instances:  # both know the portal
        refresh = site.refresh(refresh, at).json()["refresh_token"]
    try:
        site.services.portals.disable(site.portal.slug)
        db.session.commit()
        probe = lambda at: site.post("/introspect", at, token=refresh).status_code == 200  # noqa: E731
        assert last_served(site, probe, time.monotonic()) < EFFECTIVE_WITHIN_S
    finally:
        site.services.portals.enable(site.portal.slug)
        db.session.commit()
    time.sleep(EFFECTIVE_WITHIN_S)  # for the tests that follow
    one.browser.http.close()
