"""C-53: an e-mail address changes hands; whoever has it now is somebody else to every portal."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import update

from idp.models.account import Account
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.services.bundle import Services
from tests.support.portal_client import client, sign_in

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
