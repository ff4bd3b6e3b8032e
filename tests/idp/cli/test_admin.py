"""`connect admin`: the first operator of an installation, and the way back when nobody can sign in."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from idp.models.base import db
from idp.models.operator import OperatorInvitation
from idp.services.bundle import Services
from tests.idp.cli.conftest import Connect
from tests.support.operators import add_operator

EMAIL = "claire@fund.example.ch"


def test_the_first_operator_is_invited_by_a_link_that_serves_once(connect: Connect, services: Services) -> None:
    assert connect("admin", "list") == ""
    link = connect("admin", "bootstrap", EMAIL)
    assert link.startswith("http://localhost:8000/admin/invitation#cc_oi_")
    assert connect.noted.startswith(f"for {EMAIL}, until 2")
    invitation = db.session.scalars(select(OperatorInvitation)).one()
    assert (invitation.email, invitation.roles, invitation.invited_by) == (EMAIL, ["superuser"], None)
    services.clock.at = invitation.created_at  # type: ignore[attr-defined]  # the command lives by the machine's clock
    found = services.operators.find_invitation(link.strip().split("#")[1])
    assert found is not None
    assert found.id == invitation.id


def test_an_address_that_is_none_is_told(connect: Connect) -> None:
    assert "is no e-mail address" in connect.refuses("admin", "bootstrap", "claire")


def test_roles_are_listed_and_changed(app: Flask, connect: Connect, services: Services) -> None:
    add_operator(services, EMAIL, ["superuser"])
    db.session.remove()
    assert connect("admin", "list") == f"{EMAIL}  active  superuser\n"
    assert connect("admin", "change", EMAIL, "--role", "reader") == f"{EMAIL}  reader\n"
    assert connect("admin", "change", EMAIL) == f"{EMAIL}  -\n"
    assert "is no role" in connect.refuses("admin", "change", EMAIL, "--role", "king")
    assert "there is no portal" in connect.refuses("admin", "change", EMAIL, "--role", "reader@nowhere")
    assert "there is no operator" in connect.refuses("admin", "change", "nobody@fund.example.ch")
