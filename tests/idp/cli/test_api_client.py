"""`connect api-client`: made, listed, given a new secret, and ended."""

from __future__ import annotations

import re

from idp.services.bundle import Services
from tests.idp.cli.conftest import Connect


def test_a_client_lives_from_its_first_secret_to_its_end(cpx: Connect, services: Services) -> None:
    said = cpx("api-client", "add", "Pension system", "--portal", "cpx", "--scope", "persons:read")
    client_id, secret = (re.findall(rf"{name} +(\S+)", said)[0] for name in ("client_id", "client_secret"))
    assert services.api_clients.authenticated(client_id, secret) is not None
    assert cpx("api-client", "list") == f"{client_id}  cpx  never  persons:read  Pension system\n"
    fresh = cpx("api-client", "secret", client_id, "--keep-old-days", "7").strip()
    assert services.api_clients.authenticated(client_id, secret) is not None
    cpx("api-client", "end-secret", client_id)
    assert services.api_clients.authenticated(client_id, secret) is None
    assert services.api_clients.authenticated(client_id, fresh) is not None
    cpx("api-client", "revoke", client_id)
    assert services.api_clients.authenticated(client_id, fresh) is None
    assert cpx("api-client", "list") == ""
    assert "there is no client" in cpx.refuses("api-client", "revoke", client_id)


def test_a_client_of_all_portals_is_listed_so(connect: Connect) -> None:
    connect("api-client", "add", "Reader", "--scope", "audit:read", "--scope", "portals:read")
    assert "(all portals)  never  portals:read audit:read  Reader" in connect("api-client", "list")
    assert "scopes: a client needs one at least" in connect.refuses("api-client", "add", "Nothing")
