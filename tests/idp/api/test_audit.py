"""The record of events at the admin API: followed from where one ended, of one's own portal, without accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from tests.support.api import System
from tests.support.builders import add_person, add_portal
from tests.support.person import Person


def test_it_is_followed_page_by_page_oldest_first(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    system = System(web, services)
    system("PUT", "/portals/cpx/persons/P-1", {
        "insured_number": "1", "birth_date": "1958-03-27", "language": "fr", "address": ["Rue 1", "1000 Lausanne"],
    })  # fmt: skip
    system("GET", "/portals/cpx/persons/P-1")
    assert system("GET", "/audit").get_json() == {"events": [], "next": None}, "what is being done may come in between"
    clock.advance(timedelta(minutes=1))
    first = system("GET", "/audit", query={"limit": 2}).get_json()
    rest = system("GET", "/audit", query={"after": first["next"]}).get_json()
    events = [*first["events"], *rest["events"]]
    assert [one["tag"] for one in events] == [
        "operator:api_client:change", "operator:insured_person:import", "client:insured_person:read",
    ]  # fmt: skip
    assert [one["external_id"] for one in events] == [None, None, "P-1"]
    assert rest["next"] is None
    assert [one["id"] for one in events] == sorted(one["id"] for one in events)


@pytest.mark.sqlite_only
def test_it_is_narrowed_by_tag_portal_and_moment(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    system = System(web, services, None)
    clock.advance(timedelta(minutes=1))
    services.audit.record(AuditTag.CODE_REVOKED, portal=portal.id)
    services.audit.record(AuditTag.CODE_REVOKED)
    db.session.commit()
    since = clock.now()
    clock.advance(timedelta(minutes=1))
    assert len(system("GET", "/audit", query={"since": since.isoformat()}).get_json()["events"]) == 2
    assert len(system("GET", "/audit", query={"portal": "cpx"}).get_json()["events"]) == 1
    assert len(system("GET", "/audit", query={"tag": "operator:api_client:change"}).get_json()["events"]) == 1
    assert system("GET", "/audit", query={"since": "2026-03-27T00:00:00"}).status_code == 400, "a moment has a zone"


def test_a_fund_reads_its_own_events_under_its_own_keys(
    web: Flask, services: Services, portal: Portal, person: Person, clock: FrozenClock
) -> None:
    """C-74: nothing of another portal, and no id of an account, which would tell one person at two funds."""
    other = add_portal("cpy")
    services.audit.record(AuditTag.CODE_ISSUED, portal=other.id, person=add_person(other, "Q-1").id)
    services.audit.record(AuditTag.KEY_ROTATED, alg="RS256")
    db.session.commit()
    clock.advance(timedelta(minutes=1))
    body = System(web, services)("GET", "/audit", query={"limit": 500})
    events = body.get_json()["events"]
    assert {one["portal"] for one in events} == {"cpx"}
    assert "Q-1" not in body.get_data(as_text=True)
    (signed_up,) = [one for one in events if one["tag"] == "person:account:register"]
    assert signed_up["external_id"] is not None
    assert "account" not in signed_up
