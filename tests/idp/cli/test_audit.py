"""`connect audit`: the chain is verified, and its state is anchored outside of the database."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import update

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.services.audit import AuditTag
from idp.services.audit_chain import link_events
from idp.services.bundle import Services
from tests.idp.cli.conftest import Connect


def test_a_good_chain_is_called_good_and_a_changed_event_is_named(
    connect: Connect, services: Services, tmp_path: Path
) -> None:
    assert connect("audit", "verify") == "0 links are good\n"
    for _ in range(3):
        services.audit.record(AuditTag.SIGNED_IN)
    db.session.commit()
    link_events(services.vault)
    assert connect("audit", "verify") == "3 links are good\n"
    assert "names no file" in connect.refuses("audit", "anchor")
    connect.environment["CONNECT_AUDIT_ANCHORS"] = str(tmp_path / "anchors.jsonl")
    connect("audit", "anchor")
    assert connect("audit", "verify", "--anchors", tmp_path / "anchors.jsonl") == "3 links are good\n"
    event = db.session.query(AuditEvent).first()
    assert event is not None
    event_id = event.id
    db.session.execute(update(AuditEvent).where(AuditEvent.id == event_id).values(tag="person:x:y"))
    db.session.commit()
    assert f"event {event_id}: the event was changed" in connect.refuses("audit", "verify")
    (tmp_path / "none.jsonl").write_text("{}")
    assert "holds no anchors" in connect.refuses("audit", "verify", "--anchors", tmp_path / "none.jsonl")


@pytest.mark.sqlite_only
def test_an_account_is_redacted_and_the_chain_says_so(connect: Connect, services: Services, clock: FrozenClock) -> None:
    account = uuid4()
    for owner in (account, account, uuid4()):
        services.audit.record(AuditTag.SIGNED_IN, account=owner)
    db.session.commit()
    link_events(services.vault)
    assert connect("audit", "redact") == "0 events are redacted\n"
    assert connect("audit", "redact", "--account", account) == "2 events are redacted\n"
    said = connect("audit", "verify")
    assert said.startswith("3 links are good\n2 of them redacted on 20")
