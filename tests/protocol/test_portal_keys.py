"""Keys behind `jwks_uri`: read when needed, kept for a while, read again when the portal rotated, never too often."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.services.http_out import Reach
from idp.settings import Settings
from tests.protocol.test_client_auth import ASSERTION_TYPE, ask
from tests.support.authority import Authority
from tests.support.builders import add_portal
from tests.support.engines import held_connections
from tests.support.holder import Certificate, issue, jwks_with
from tests.support.person import ISSUER
from tests.support.portal_client import PROXY, client
from tests.support.portal_server import Canary, Page, PortalServer, serving
from wsgi import create_app


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[PortalServer]:
    with serving(authority, "localhost", "keys.example") as made:
        yield made


@pytest.fixture
def environment(environment: dict[str, str], authority: Authority) -> dict[str, str]:
    places = {"CONNECT_PORTALS_INSIDE": "localhost", "CONNECT_PORTALS_CA_FILE": str(authority.file)}
    return {**environment, **places}


class Signer:
    """A portal that signs its assertions with keys that it publishes itself."""

    def __init__(self, web: Flask, portal: Portal, clock: FrozenClock, server: PortalServer) -> None:
        self.web, self.client_id, self.clock, self.server = web, portal.client_id, clock, server
        self.keys = {"k1": ECKey.generate_key("P-256", private=True)}
        self.count = 0
        self.publish()

    def publish(self, **page: Any) -> None:
        keys = [{**key.as_dict(private=False), "kid": kid} for kid, key in self.keys.items()]
        self.server.pages["/jwks"] = Page.of({"keys": keys}, **page)

    def rotate(self, kid: str) -> None:
        self.keys = {kid: ECKey.generate_key("P-256", private=True)}
        self.publish()

    def assertion(self, kid: str | None = "k1", key: ECKey | None = None, **header: Any) -> str:
        now = int(self.clock.now().timestamp())
        self.count += 1
        claims = {
            "iss": self.client_id, "sub": self.client_id, "aud": ISSUER, "exp": now + 60, "jti": f"j-{self.count}",
        }  # fmt: skip
        header = {"alg": "ES256", **({"kid": kid} if kid else {}), **header}
        key = key or self.keys.get(kid or "") or next(iter(self.keys.values()))
        return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=["ES256"])

    def is_known(self, *args: Any, **more: Any) -> bool:
        body = {"client_assertion": self.assertion(*args, **more), "client_assertion_type": ASSERTION_TYPE}
        return ask(self.web, body)[1] == "invalid_grant"  # authenticated; only the code is wrong

    @property
    def reads(self) -> int:
        return len(self.server.asked)


@pytest.fixture
def portal(app: Flask, server: PortalServer) -> Portal:
    return add_portal(token_endpoint_auth_method="private_key_jwt", jwks_uri=server.url("/jwks"))


@pytest.fixture
def signer(web: Flask, portal: Portal, clock: FrozenClock, server: PortalServer) -> Signer:
    return Signer(web, portal, clock, server)


def test_the_keys_are_read_once_and_then_kept(signer: Signer, clock: FrozenClock) -> None:
    assert all(signer.is_known() for _ in range(5))
    assert signer.is_known(kid=None)
    assert signer.reads == 1
    clock.advance(timedelta(minutes=61))
    assert signer.is_known()
    assert signer.reads == 2


def test_an_unknown_kid_makes_us_read_again_but_not_oftener_than_once_a_minute(
    signer: Signer, clock: FrozenClock
) -> None:
    assert signer.is_known()
    clock.advance(timedelta(seconds=61))
    signer.rotate("k2")
    assert signer.is_known("k2")
    assert signer.reads == 2
    stranger = ECKey.generate_key("P-256", private=True)
    assert not any(signer.is_known(f"invented-{count}", stranger) for count in range(20))
    assert signer.reads == 2
    clock.advance(timedelta(seconds=61))
    assert not any(signer.is_known(f"invented-{count}", stranger) for count in range(20))
    assert signer.reads == 3
    assert signer.is_known("k2")
    assert not signer.is_known("k2", stranger)
    assert not signer.is_known(None, stranger)
    assert signer.reads == 3


def test_a_key_server_that_is_down_for_a_night_locks_nobody_out(signer: Signer, clock: FrozenClock) -> None:
    assert signer.is_known()
    signer.publish(status=503)
    clock.advance(timedelta(hours=20))
    assert all(signer.is_known() for _ in range(3))
    assert signer.reads == 2
    clock.advance(timedelta(hours=5))
    assert not signer.is_known()
    signer.publish()
    assert not signer.is_known()  # it is asked once a minute
    clock.advance(timedelta(seconds=61))
    assert signer.is_known()


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff", b"[" * 60_000, b'{"keys": []}'])
def test_what_is_no_key_set_signs_nobody_in(signer: Signer, body: bytes) -> None:
    signer.server.pages["/jwks"] = Page(body)
    assert not signer.is_known()


def test_a_set_that_gives_its_private_key_away_counts_no_longer(signer: Signer, clock: FrozenClock) -> None:
    assert signer.is_known()
    clock.advance(timedelta(minutes=61))
    signer.server.pages["/jwks"] = Page.of({"keys": [{**signer.keys["k1"].as_dict(private=True), "kid": "k1"}]})
    assert not signer.is_known()


def test_other_keys_of_the_set_do_no_harm_and_no_good(signer: Signer) -> None:
    weak, enc = RSAKey.generate_key(2048, private=True), ECKey.generate_key("P-256", private=True)
    good = {**signer.keys["k1"].as_dict(private=False), "kid": "k1"}
    strange = [
        {**weak.as_dict(private=False), "e": "Aw", "kid": "weak"}, {"kty": "oct", "kid": "oct"},
        {**enc.as_dict(private=False), "use": "enc", "kid": "enc"},
    ]  # fmt: skip
    signer.server.pages["/jwks"] = Page.of({"keys": [*strange, good]}, content_type="application/jwk-set+json")
    assert signer.is_known()
    assert not signer.is_known("enc", enc)


def test_a_key_is_used_under_its_own_name_and_for_its_own_purpose(signer: Signer, portal: Portal) -> None:
    other, enc = ECKey.generate_key("P-256", private=True), ECKey.generate_key("P-256", private=True)
    row = db.session.get_one(Portal, portal.id)
    row.jwks_uri, row.jwks = None, {
        "keys": [
            {**signer.keys["k1"].as_dict(private=False), "kid": "k1"}, {**other.as_dict(private=False), "kid": "k2"},
            {**enc.as_dict(private=False), "kid": "enc", "use": "enc"},
        ]
    }  # fmt: skip
    db.session.commit()
    assert signer.is_known("k1")
    assert signer.is_known("k2", other)
    assert signer.is_known(None, other)
    assert not signer.is_known("k1", other)
    assert not signer.is_known("enc", enc)
    assert not signer.is_known(None, enc)
    assert signer.reads == 0


def test_a_new_address_forgets_what_stood_behind_the_old_one(signer: Signer, portal: Portal) -> None:
    assert signer.is_known()
    db.session.get_one(Portal, portal.id).jwks_uri = signer.server.url("/elsewhere")
    db.session.commit()
    assert not signer.is_known()
    assert signer.server.asked == ["/jwks", "/elsewhere"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1"])
def test_a_private_address_is_never_asked(signer: Signer, portal: Portal, host: str) -> None:
    canary = Canary()
    db.session.get_one(Portal, portal.id).jwks_uri = f"https://{host}:{canary.port}/jwks"
    db.session.commit()
    assert not signer.is_known()
    assert not canary.was_touched()
    canary.close()


def test_no_header_of_an_assertion_is_ever_fetched(signer: Signer) -> None:
    canary = Canary()
    address = f"https://localhost:{canary.port}/keys"  # the operator opened this host, and still
    for name in ("jku", "x5u"):
        registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
        token = jws.serialize_compact({"alg": "ES256", name: address}, b"{}", signer.keys["k1"], registry=registry)
        assert ask(signer.web, {"client_assertion": token, "client_assertion_type": ASSERTION_TYPE})[0] == 401
    assert not canary.was_touched()
    canary.close()


def test_a_fapi_portal_may_not_sign_with_rs256(web: Flask, clock: FrozenClock, server: PortalServer) -> None:
    portal = add_portal("fap", token_endpoint_auth_method="private_key_jwt", jwks_uri=server.url("/jwks"))
    signer = Signer(web, portal, clock, server)
    key = RSAKey.generate_key(2048, private=True)
    server.pages["/jwks"] = Page.of({"keys": [{**key.as_dict(private=False), "kid": "r"}]})
    for profile, alg, expected in (
        ("standard", "RS256", True), ("fapi2", "RS256", False), ("fapi2", "PS256", True),
    ):  # fmt: skip
        db.session.get_one(Portal, portal.id).security_profile = profile
        db.session.commit()
        claims = jws.extract_compact(signer.assertion().encode()).payload
        token = jws.serialize_compact({"alg": alg, "kid": "r"}, claims, key, algorithms=[alg])
        told = ask(web, {"client_assertion": token, "client_assertion_type": ASSERTION_TYPE})[1]
        assert (told != "invalid_client") is expected, (profile, alg)


def test_many_requests_at_once_read_the_keys_once(signer: Signer, app: Flask, services: Services) -> None:
    page, released = signer.server.pages["/jwks"], threading.Event()
    page.headers, page.trickle = {"Content-Length": str(len(page.body) + 1)}, lambda: bool(released.wait(5)) and None
    ident = db.session.scalars(db.select(Portal.id)).one()

    def ask_for_keys(_: int) -> int:
        with app.app_context():
            return len(services.portal_keys.keys_of(db.session.get_one(Portal, ident)))

    with ThreadPoolExecutor(8) as pool:
        found = pool.map(ask_for_keys, range(8))
        while not signer.server.asked:
            released.wait(0.01)
        released.set()
        assert list(found) == [1] * 8
    assert signer.reads == 1


def test_no_database_connection_is_held_while_the_network_is_asked(
    app: Flask, environment: dict[str, str], clock: FrozenClock, server: PortalServer, authority: Authority
) -> None:
    held: list[int] = []

    def resolver(host: str, port: int) -> list[str]:
        held.append(held_connections(app))
        return ["127.0.0.1"]

    def asked_inside(host: str, port: int) -> list[str]:
        with app.app_context():
            return resolver(host, port)

    reach = Reach(networks=(ipaddress.ip_network("127.0.0.1"),), ca_file=authority.file, resolver=asked_inside)
    bundle = build_services(Settings.from_environ(environment), clock=clock, reach=reach)
    server.pages["/jwks"] = Page.of({"keys": [ECKey.generate_key("P-256", private=True).as_dict(private=False)]})
    add_portal("far", jwks_uri=server.url("/jwks", "keys.example"))
    portal = db.session.scalars(db.select(Portal).where(Portal.slug == "far")).one()
    assert held_connections(app) == 1
    assert len(bundle.portal_keys.keys_of(portal)) == 1
    assert held == [0]
    assert portal.slug == "far"  # and the row can still be used


def test_a_renewed_certificate_is_looked_for_behind_the_address(
    services: Services, environment: dict[str, str], server: PortalServer, clock: FrozenClock, signing_keys: None
) -> None:
    settings = Settings.from_environ({**environment, **PROXY})
    web = create_app(services=replace(services, settings=settings))
    first, second = issue("CN=portal", clock.now()), issue("CN=portal", clock.now())
    server.pages["/jwks"] = Page.of(jwks_with(first))
    portal = client(
        web, services, certificate=first, token_endpoint_auth_method="self_signed_tls_client_auth",
        client_secret_hash=None, jwks_uri=server.url("/jwks"),
    )  # fmt: skip

    def is_known(shown: Certificate) -> bool:
        portal.certificate = shown
        return bool(portal.refresh("x").get_json()["error"] == "invalid_grant")  # authenticated; the token is wrong

    assert is_known(first)
    assert not is_known(second)
    server.pages["/jwks"] = Page.of(jwks_with(second))
    assert not is_known(second)  # asked a moment ago
    clock.advance(timedelta(seconds=61))
    assert is_known(second)
    assert not is_known(first)
    assert len(server.asked) == 2
