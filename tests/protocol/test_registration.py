"""Dynamic registration by invitation (RFC 7591) and its management (RFC 7592), as a portal's developer sees it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import ECKey, RSAKey
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.errors import BadInput
from idp.models.audit import AuditEvent
from idp.models.authorization import PortalInvite
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import link
from tests.support.authority import Authority
from tests.support.person import ISSUER, Person
from tests.support.portal_server import Page, PortalServer, serving
from tests.support.relying_party import RelyingParty, answer_of

DESCRIBED: dict[str, Any] = {
    "slug": "fon", "names": {"fr": "Fondation F", "de": "Stiftung F"}, "short_name": "Fondation F",
    "phone": "058 765 43 21", "email": "aide@fon.example.ch", "home_url": "https://fon.example.ch/",
    "scopes": ["openid", "email", "insurance", "offline_access"],
}  # fmt: skip
CALLBACK = "https://fon.example.ch/callback"
JWKS = {"keys": [ECKey.generate_key("P-256", private=True).as_dict(private=False)]}
RSA_JWKS = {"keys": [RSAKey.generate_key(2048, private=True).as_dict(private=False)]}


class Developer:
    """Registers a portal and looks after its registration."""

    def __init__(self, web: Flask, services: Services) -> None:
        self.web, self.services = web, services
        self.uri = self.access_token = ""

    def invited(self, **changes: Any) -> str:
        secret, _ = self.services.invites.invite(DESCRIBED | changes, timedelta(days=14))
        db.session.commit()
        return secret

    def send(self, method: str, path: str, token: str | None, body: Any = None, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        kind = {"json": body} if body is not None else {}
        return self.web.test_client().open(path, method=method, headers=headers, base_url=ISSUER, **kind, **more)

    def register(self, token: str | None = None, **metadata: Any) -> TestResponse:
        body = {"redirect_uris": [CALLBACK], **metadata}
        response = self.send("POST", "/register", self.invited() if token is None else token, body)
        return self._learn(response)

    def read(self, token: str | None = None) -> TestResponse:
        return self.send("GET", self.uri, token or self.access_token)

    def replace(self, token: str | None = None, **metadata: Any) -> TestResponse:
        body = {"client_id": self.uri.rsplit("/", 1)[1], "redirect_uris": [CALLBACK], **metadata}
        return self._learn(self.send("PUT", self.uri, token or self.access_token, body))

    def _learn(self, response: TestResponse) -> TestResponse:
        if response.status_code < 300:
            self.uri = response.get_json()["registration_client_uri"].removeprefix(ISSUER)
            self.access_token = response.get_json()["registration_access_token"]
        return response


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[PortalServer]:
    with serving(authority, "localhost") as made:
        yield made


@pytest.fixture
def environment(environment: dict[str, str], authority: Authority) -> dict[str, str]:
    places = {"CONNECT_PORTALS_INSIDE": "localhost", "CONNECT_PORTALS_CA_FILE": str(authority.file)}
    return {**environment, **places}


@pytest.fixture
def developer(web: Flask, services: Services) -> Developer:
    return Developer(web, services)


def refusal(response: TestResponse) -> tuple[int, str]:
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, response.get_json()["error"]


BAD_METADATA, BAD_REDIRECT = (400, "invalid_client_metadata"), (400, "invalid_redirect_uri")
BAD_TOKEN = (401, "invalid_token")


def test_a_developer_registers_the_portal_that_the_operator_described(
    web: Flask, developer: Developer, clock: FrozenClock, person: Person, services: Services
) -> None:
    response = developer.register(
        post_logout_redirect_uris=["https://fon.example.ch/bye"], initiate_login_uri="https://fon.example.ch/login",
        scope="openid email profile", grant_types=["authorization_code", "refresh_token"], client_name="Evil Fund",
        tos_uri="https://fon.example.ch/terms", require_pushed_authorization_requests=False, unheard_of={"a": [1]},
        logo_uri=None,
    )  # fmt: skip
    made = response.get_json()
    assert response.status_code == 201
    assert made["client_id"].startswith("fon.")
    assert made == {
        "client_id": made["client_id"], "client_id_issued_at": int(clock.now().timestamp()),
        "client_secret": made["client_secret"], "client_secret_expires_at": 0,
        "registration_client_uri": f"{ISSUER}/register/{made['client_id']}",
        "registration_access_token": made["registration_access_token"],
        "redirect_uris": [CALLBACK], "post_logout_redirect_uris": ["https://fon.example.ch/bye"],
        "initiate_login_uri": "https://fon.example.ch/login", "scope": "openid email",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "application_type": "web",
        "token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "RS256",
        "subject_type": "pairwise", "require_pushed_authorization_requests": False,
        "require_signed_request_object": False, "dpop_bound_access_tokens": False,
        "tls_client_certificate_bound_access_tokens": False, "backchannel_logout_session_required": False,
        "client_name": "Fondation F", "client_name#fr": "Fondation F", "client_name#de": "Stiftung F",
        "client_uri": "https://fon.example.ch/", "contacts": ["aide@fon.example.ch"],
        "tos_uri": "https://fon.example.ch/terms",
    }  # fmt: skip
    portal = db.session.scalars(db.select(Portal).where(Portal.slug == "fon")).one()
    link(services, portal)
    rp = RelyingParty(web, made["client_id"], CALLBACK, made["client_secret"])
    person.open(rp.request())
    assert "id_token" in rp.redeem(answer_of(person.address)["code"]).get_json()


def test_the_defaults_are_those_of_the_rfc(developer: Developer) -> None:
    made = developer.register().get_json()
    assert (made["grant_types"], made["response_types"]) == (["authorization_code"], ["code"])
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    assert made["scope"] == "openid email insurance offline_access"


def test_a_secret_is_given_where_the_method_has_one(developer: Developer) -> None:
    assert developer.register(token_endpoint_auth_method="client_secret_post").get_json()["client_secret"]
    by_key = developer.register(
        developer.invited(slug="key"), token_endpoint_auth_method="private_key_jwt", jwks=JWKS
    ).get_json()
    assert not {"client_secret", "client_secret_expires_at"} & set(by_key)
    assert by_key["jwks"] == JWKS
    by_address = developer.register(
        developer.invited(slug="uri"), token_endpoint_auth_method="private_key_jwt",
        jwks_uri="https://fon.example.ch/jwks",
    ).get_json()  # fmt: skip
    assert by_address["jwks_uri"] == "https://fon.example.ch/jwks"
    by_certificate = developer.register(
        developer.invited(slug="tls"), token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn="CN=f"
    ).get_json()
    assert (by_certificate["tls_client_auth_subject_dn"], "client_secret" in by_certificate) == ("CN=f", False)


def test_an_invitation_works_once_and_for_its_time(developer: Developer, clock: FrozenClock) -> None:
    for token in (None, "", "cc_iat_" + "A" * 43, "x", "ü"):
        response = developer.send("POST", "/register", token, {"redirect_uris": [CALLBACK]})
        assert refusal(response) == BAD_TOKEN
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    basic = developer.web.test_client().post(
        "/register", json={}, headers={"Authorization": "Basic eDp4"}, base_url=ISSUER
    )
    assert refusal(basic) == BAD_TOKEN
    token = developer.invited()
    assert refusal(developer.register(token, redirect_uris=["x"])) == BAD_REDIRECT  # a faulty body wastes nothing
    assert developer.register(token).status_code == 201
    assert refusal(developer.register(token)) == BAD_TOKEN
    late = developer.invited(slug="late")
    clock.advance(timedelta(days=14))
    assert refusal(developer.register(late)) == BAD_TOKEN


def test_only_the_hash_of_a_token_is_stored(developer: Developer) -> None:
    token = developer.invited()
    assert token not in str(db.session.execute(db.select(PortalInvite.__table__)).all())
    access_token = developer.register(token).get_json()["registration_access_token"]
    row = db.session.execute(db.select(Portal.__table__)).all()
    assert access_token.startswith("cc_rat_")
    assert access_token not in str(row)


def test_a_name_that_was_taken_meanwhile_wastes_no_invitation(developer: Developer) -> None:
    first, second = developer.invited(), developer.invited()
    assert developer.register(first).status_code == 201
    answer = developer.register(second)
    assert refusal(answer) == BAD_METADATA
    assert "operator" in answer.get_json()["error_description"]
    db.session.delete(db.session.scalars(db.select(Portal)).one())
    db.session.commit()
    assert developer.register(second).status_code == 201


def test_an_operator_is_told_what_an_invitation_lacks(services: Services, portal: Portal) -> None:
    for changes, named in (
        ({"redirect_uris": [CALLBACK]}, "redirect_uris"), ({"slug": "logout"}, "slug"), ({"slug": "cpx"}, "slug"),
        ({"consent": True}, "publisher"), ({"scopes": ["email"]}, "scopes"), ({"unheard_of": 1}, "unheard_of"),
        ({"security_profile": "fapi2", "refresh_rotation": True}, "refresh_rotation"),
    ):  # fmt: skip
        with pytest.raises(BadInput) as caught:
            services.invites.invite(DESCRIBED | changes, timedelta(days=1))
        assert [line.split(":")[0] for line in caught.value.message.splitlines()] == [named]


@pytest.mark.parametrize(
    ("expected", "metadata"),
    [
        (BAD_REDIRECT, {"redirect_uris": []}),
        (BAD_REDIRECT, {"redirect_uris": None}),
        (BAD_REDIRECT, {"redirect_uris": [f"{CALLBACK}#top"]}),
        (BAD_REDIRECT, {"redirect_uris": ["http://fon.example.ch/"]}),
        (BAD_REDIRECT, {"redirect_uris": ["javascript://fon.example.ch/%0aalert(1)"]}),
        (BAD_REDIRECT, {"redirect_uris": ["com.example.app:/callback"]}),
        (BAD_REDIRECT, {"redirect_uris": ["https://*.example.ch/"]}),
        (BAD_REDIRECT, {"redirect_uris": ["https://["]}),
        (BAD_REDIRECT, {"redirect_uris": [1]}),
        (BAD_REDIRECT, {"redirect_uris": CALLBACK}),
        (BAD_REDIRECT, {"redirect_uris": {"0": CALLBACK}}),
        (BAD_REDIRECT, {"redirect_uris": [CALLBACK] * 51}),
        (BAD_REDIRECT, {"redirect_uris": ["x"], "tos_uri": "y"}),
        (BAD_METADATA, {"grant_types": 5}),
        (BAD_METADATA, {"grant_types": ["password"]}),
        (BAD_METADATA, {"grant_types": ["implicit"]}),
        (BAD_METADATA, {"grant_types": []}),
        (BAD_METADATA, {"response_types": ["token"]}),
        (BAD_METADATA, {"response_types": ["code", "code id_token"]}),
        (BAD_METADATA, {"application_type": "native"}),
        (BAD_METADATA, {"initiate_login_uri": "http://fon.example.ch/login"}),
        (BAD_METADATA, {"initiate_login_uri": "http://localhost/login"}),
        (BAD_METADATA, {"initiate_login_uri": 5}),
        (BAD_METADATA, {"post_logout_redirect_uris": ["http://fon.example.ch/"]}),
        (BAD_METADATA, {"post_logout_redirect_uris": [{}]}),
        (BAD_METADATA, {"token_endpoint_auth_method": "none"}),
        (BAD_METADATA, {"token_endpoint_auth_method": "private_key_jwt"}),
        (BAD_METADATA, {"token_endpoint_auth_method": "tls_client_auth"}),
        (BAD_METADATA, {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "x y"}),
        (BAD_METADATA, {"token_endpoint_auth_method": ["client_secret_basic"]}),
        (BAD_METADATA, {"jwks": JWKS, "jwks_uri": "https://fon.example.ch/jwks"}),
        (BAD_METADATA, {"jwks": {"keys": []}}),
        (BAD_METADATA, {"jwks": [JWKS]}),
        (BAD_METADATA, {"jwks": {"keys": [{**JWKS["keys"][0], "d": "AQAB"}]}}),
        (BAD_METADATA, {"jwks_uri": "http://localhost/jwks"}),
        (BAD_METADATA, {"id_token_signed_response_alg": "none"}),
        (BAD_METADATA, {"id_token_signed_response_alg": "HS256"}),
        (BAD_METADATA, {"request_object_signing_alg": "ES256", "jwks": RSA_JWKS}),
        (BAD_METADATA, {"scope": "email"}),
        (BAD_METADATA, {"scope": ["openid"]}),
        (BAD_METADATA, {"default_max_age": "60"}),
        (BAD_METADATA, {"default_max_age": True}),
        (BAD_METADATA, {"default_max_age": -1}),
        (BAD_METADATA, {"default_max_age": 10**30}),
        (BAD_METADATA, {"default_acr_values": ["0"]}),
        (BAD_METADATA, {"require_pushed_authorization_requests": "yes"}),
        (BAD_METADATA, {"dpop_bound_access_tokens": 1}),
        (BAD_METADATA, {"backchannel_logout_uri": "http://localhost/out"}),
        (BAD_METADATA, {"backchannel_logout_session_required": True}),
        (BAD_METADATA, {"sector_identifier_uri": "https://fon.example.ch/sector.json"}),  # there is no such name
        (BAD_METADATA, {"redirect_uris": [CALLBACK, "https://other.example.ch/"]}),
        (BAD_METADATA, {"policy_uri": "https://fon.example.ch/\u00e9"}),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_taken_are_refused_by_name(
    developer: Developer, expected: tuple[int, str], metadata: dict[str, Any]
) -> None:
    response = developer.register(**metadata)
    assert refusal(response) == expected
    described = response.get_json()["error_description"]
    assert set(response.get_json()) == {"error", "error_description"}
    assert all(" " <= sign <= "~" and sign not in '"\\' for sign in described), described


def test_a_fault_is_named_as_it_is_called_on_the_wire(developer: Developer) -> None:
    token = developer.invited(security_profile="fapi2")
    described = developer.register(
        token, scope="email", require_pushed_authorization_requests=False
    ).get_json()["error_description"]  # fmt: skip
    assert described.startswith("scope: openid is needed; ")
    assert "require_pushed_authorization_requests: fapi2 needs pushed requests; " in described
    two = developer.register(redirect_uris=[CALLBACK, "https://b.example.ch/"]).get_json()["error_description"]
    assert two.startswith("sector_identifier_uri: needed, because")


def test_a_fapi_invitation_takes_what_fapi_allows(developer: Developer) -> None:
    token = developer.invited(security_profile="fapi2")
    assert refusal(developer.register(token)) == BAD_METADATA
    made = developer.register(
        token, token_endpoint_auth_method="private_key_jwt", jwks=JWKS, dpop_bound_access_tokens=True
    ).get_json()
    assert made["require_pushed_authorization_requests"] is True
    assert made["id_token_signed_response_alg"] == "PS256"
    again = developer.replace(
        token_endpoint_auth_method="private_key_jwt", jwks=JWKS, dpop_bound_access_tokens=True,
        id_token_signed_response_alg="EdDSA",
    )  # fmt: skip
    assert again.get_json()["id_token_signed_response_alg"] == "EdDSA"


def test_what_the_operator_decided_is_not_the_developers_to_change(developer: Developer) -> None:
    token = developer.invited(consent=True, publisher="App AG")
    wishes = {
        "slug": "evil", "names": {"fr": "Evil"}, "consent": False, "publisher": "Evil", "security_profile": "standard",
        "subject_type": "public", "verified_claims": True, "allowed_acr": ["mfa"], "sector_identifier": "evil.example",
        "scopes": ["openid", "profile"], "client_id": "mine", "client_secret": "mine", "require_pkce": False,
        "policy_uri": "https://fon.example.ch/privacy",
    }  # fmt: skip
    assert refusal(developer.register(token)) == BAD_METADATA  # consent needs a policy
    made = developer.register(token, **wishes).get_json()
    assert (made["subject_type"], made["client_name"]) == ("pairwise", "Fondation F")
    assert made["client_id"] != "mine"
    row = db.session.scalars(db.select(Portal)).one()
    assert (row.slug, row.consent, row.publisher, row.verified_claims) == ("fon", True, "App AG", False)
    assert (row.sector_identifier, row.allowed_acr, row.require_pkce) == ("fon.example.ch", ["mfa", "phr"], True)
    assert row.scopes == DESCRIBED["scopes"]


def test_a_registration_is_read_replaced_and_withdrawn(developer: Developer) -> None:
    first = developer.register(tos_uri="https://fon.example.ch/terms", initiate_login_uri="https://fon.example.ch/in")
    made = first.get_json()
    read = developer.read().get_json()
    assert read == {name: made[name] for name in made if name not in {"client_secret", "client_secret_expires_at"}}
    changed = developer.replace(post_logout_redirect_uris=["https://fon.example.ch/out"], tos_uri=None).get_json()
    assert changed["post_logout_redirect_uris"] == ["https://fon.example.ch/out"]
    assert not {"tos_uri", "initiate_login_uri", "client_secret"} & set(changed)  # left out is deleted
    assert changed["registration_access_token"] != made["registration_access_token"]
    gone = developer.send("DELETE", developer.uri, developer.access_token)
    assert (gone.status_code, gone.data) == (204, b"")
    assert refusal(developer.read()) == BAD_TOKEN
    assert db.session.scalars(db.select(Portal)).one().is_disabled
    assert {row.tag for row in db.session.scalars(db.select(AuditEvent))} == {
        "operator:portal:invite", "portal:registration:create", "portal:registration:change",
        "portal:registration:withdraw",
    }  # fmt: skip


def test_a_new_access_token_replaces_the_old_one_once_it_is_used(developer: Developer) -> None:
    old = developer.register().get_json()["registration_access_token"]
    lost = developer.replace(old).get_json()["registration_access_token"]  # suppose this answer never arrived
    new = developer.replace(old).get_json()["registration_access_token"]
    assert len({old, lost, new}) == 3
    assert refusal(developer.read(lost)) == BAD_TOKEN
    assert developer.read(old).status_code == 200
    assert developer.read(new).status_code == 200
    assert refusal(developer.read(old)) == BAD_TOKEN
    assert developer.read(new).status_code == 200


def test_a_refused_change_changes_nothing(developer: Developer) -> None:
    made = developer.register().get_json()
    before = developer.read().get_json()
    for metadata in (
        {"client_id": "other.x"}, {"client_id": None}, {"client_id": 5}, {"redirect_uris": ["x"]},
        {"redirect_uris": ["https://["]},
        {"registration_access_token": made["registration_access_token"]}, {"client_id_issued_at": 1},
        {"registration_client_uri": made["registration_client_uri"]}, {"client_secret_expires_at": 0},
        {"client_secret": "mine"}, {"client_secret": 5}, {"client_secret": None},
    ):  # fmt: skip
        assert developer.replace(**metadata).status_code == 400, metadata
    assert developer.read().get_json() == before
    assert developer.replace(client_secret=made["client_secret"]).status_code == 200


def test_a_change_to_what_is_no_address_is_refused(developer: Developer) -> None:
    developer.register()
    for wrong in ("https://[", "https://[::1", "https://fon.example.ch:99999999/", "//", ""):
        assert refusal(developer.replace(redirect_uris=[CALLBACK, wrong])) == BAD_REDIRECT, wrong
    assert developer.read().get_json()["redirect_uris"] == [CALLBACK]


def test_a_change_of_method_changes_the_secret_with_it(developer: Developer) -> None:
    secret = developer.register().get_json()["client_secret"]
    assert "client_secret" not in developer.replace(token_endpoint_auth_method="client_secret_post").get_json()
    keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS}
    assert "client_secret" not in developer.replace(**keys).get_json()
    for none_any_more in (secret, 5, ""):
        assert developer.replace(client_secret=none_any_more, **keys).status_code == 400
    back = developer.replace().get_json()
    assert back["client_secret"] not in {None, secret}
    assert back["client_secret_expires_at"] == 0


def test_one_portals_token_opens_no_other_registration(developer: Developer, portal: Portal) -> None:
    developer.register()
    own = developer.access_token
    for client_id in (portal.client_id, "nobody", "%C3%A9", "%F0%9F%98%80"):
        for method in ("GET", "PUT", "DELETE"):
            assert refusal(developer.send(method, f"/register/{client_id}", own, {})) == BAD_TOKEN
    assert refusal(developer.send("GET", developer.uri, None)) == BAD_TOKEN
    for wrong in (own[:-1], own + "A", "cc_rat_" + "A" * 43, developer.invited(slug="other")):
        assert refusal(developer.read(wrong)) == BAD_TOKEN
    assert developer.read().status_code == 200


def test_the_sector_and_with_it_every_sub_stays(developer: Developer, server: PortalServer) -> None:
    developer.register()

    def sector() -> str:
        db.session.rollback()
        return db.session.scalars(db.select(Portal.sector_identifier)).one()

    moved = ["https://new.example.ch/callback"]
    assert developer.replace(redirect_uris=moved).status_code == 200
    assert sector() == "fon.example.ch"
    assert refusal(developer.replace(redirect_uris=[*moved, CALLBACK])) == BAD_METADATA
    server.pages["/sector.json"] = Page.of([*moved, CALLBACK])
    other = developer.replace(redirect_uris=[*moved, CALLBACK], sector_identifier_uri=server.url("/sector.json"))
    assert refusal(other) == BAD_METADATA  # it would change the sector
    assert "sector_identifier_uri: must be the host" in other.get_json()["error_description"]
    assert sector() == "fon.example.ch"


def test_the_list_of_a_sector_must_name_every_redirect_address(developer: Developer, server: PortalServer) -> None:
    two = [CALLBACK, "https://other.example.ch/callback"]
    listed = {"redirect_uris": two, "sector_identifier_uri": server.url("/sector.json")}
    for page in (
        Page.of([CALLBACK]), Page.of({"redirect_uris": two}), Page(b"{"), Page(b"[" * 60_000), Page(status=404),
        Page.of(two, content_type="text/html"),
    ):  # fmt: skip
        server.pages["/sector.json"] = page
        assert refusal(developer.register(**listed)) == BAD_METADATA
    server.pages["/sector.json"] = Page.of([*two, "https://third.example.ch/"])
    assert developer.register(**listed).status_code == 201
    assert db.session.scalars(db.select(Portal.sector_identifier)).one() == "localhost"
    asked = len(server.asked)
    assert developer.replace(**listed).status_code == 200
    assert len(server.asked) == asked  # neither the addresses nor the list's address changed
    assert refusal(developer.replace(**listed | {"redirect_uris": [*two, "https://c.example.ch/"]})) == BAD_METADATA
    assert developer.replace(redirect_uris=two).status_code == 200  # the hosts are the same as before
    assert db.session.scalars(db.select(Portal.sector_identifier)).one() == "localhost"


def test_http_is_for_installations_on_this_machine(developer: Developer, environment: dict[str, str]) -> None:
    local = {"redirect_uris": ["http://localhost:5000/callback"]}
    assert developer.register(**local).status_code == 201
    secure = developer.services.settings.model_copy(update={"issuer": "https://localhost:8000"})
    object.__setattr__(developer.services, "settings", secure)
    refused = developer.register(developer.invited(slug="web"), **local)
    assert refusal(refused) == BAD_REDIRECT


def test_where_and_how_to_register_is_published(developer: Developer) -> None:
    client = developer.web.test_client()
    document = client.get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["registration_endpoint"] == f"{ISSUER}/register"
    developer.register()
    for method, path in (
        ("GET", "/register"),
        ("DELETE", "/register"),
        ("POST", developer.uri),
        ("PATCH", developer.uri),
    ):
        response = developer.send(method, path, developer.access_token)
        assert (response.status_code, response.content_type) == (405, "application/json"), (method, path)
