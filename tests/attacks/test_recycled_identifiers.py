"""C-53: an e-mail address or a fund's record changes hands; whoever has it now is somebody else to every portal."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, update

from idp.models.account import Account
from idp.models.authorization import Consent
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.session import PortalSession
from idp.protocol import consent
from idp.services.bundle import Services
from tests.support.portal_client import add_account, client, sign_in

pytestmark = pytest.mark.both_engines

ADDRESS = "office@example.ch"


def test_the_next_owner_of_an_address_has_another_sub(web: Flask, services: Services) -> None:
    pairwise, public = client(web, services), client(web, services, "pub", subject_type="public")
    before = {}
    for portal in (pairwise, public):
        tokens = portal.tokens(email=ADDRESS)
        before[portal.portal.slug] = tokens, portal.userinfo(tokens["access_token"]).get_json()["sub"]
    first = services.accounts.find(ADDRESS)
    assert first is not None
    db.session.get_one(Account, first.id).email = "gone@example.ch"
    db.session.execute(update(InsuredPerson).values(external_id="P-gone"))
    db.session.commit()
    for portal in (pairwise, public):
        tokens, sub = before[portal.portal.slug]
        now = portal.userinfo(portal.tokens(email=ADDRESS)["access_token"]).get_json()["sub"]
        assert now != sub
        # The one before keeps what is theirs, under their own sub.
        assert portal.userinfo(tokens["access_token"]).get_json()["sub"] == sub
    second = services.accounts.find(ADDRESS)
    assert second is not None
    assert second.id != first.id
    assert sign_in(services, pairwise.portal, ADDRESS)[0].account_id == second.id


def test_whoever_registers_after_a_closing_has_nothing_of_the_account_before(web: Flask, services: Services) -> None:
    """The same address and the same letter record, and yet another sub, no token, no consent and no presence."""
    pairwise, public = client(web, services), client(web, services, "pub", subject_type="public")
    clients, before = (pairwise, public), {}
    for one in clients:
        tokens = one.tokens(email=ADDRESS, scope="openid email offline_access")
        before[one.portal.slug] = tokens, one.userinfo(tokens["access_token"]).get_json()["sub"]
    first = services.accounts.find(ADDRESS)
    assert first is not None
    _, secret = sign_in(services, pairwise.portal, ADDRESS)
    allowed = {"scopes": ["openid", "email"], "claims": [], "declined": [], "granted_at": services.clock.now()}
    db.session.add(Consent(account_id=first.id, portal_id=pairwise.portal.id, **allowed))
    db.session.flush()
    presences = db.session.scalars(select(PortalSession.id)).all()
    services.closing.close(first)
    db.session.commit()
    assert services.sessions.load(secret) is None
    second = add_account(services, ADDRESS)
    for record in db.session.scalars(select(InsuredPerson)):
        assert record.link(second.id, services.clock.now())
    db.session.commit()
    for one in clients:
        tokens, sub = before[one.portal.slug]
        assert one.userinfo(tokens["access_token"]).status_code == 401
        assert one.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
        now = one.userinfo(one.tokens(email=ADDRESS)["access_token"]).get_json()["sub"]
        assert now != sub
        assert not any(services.sessions.took_part(second.id, one.portal, str(sid)) for sid in presences)
    assert consent.given_by(second.id) == []
    assert second.id != first.id
