"""What the installation says of itself is what it does."""

from __future__ import annotations

from flask import Flask

from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of


def test_the_document_names_endpoints_that_exist(web: Flask) -> None:
    client = web.test_client()
    response = client.get("/.well-known/openid-configuration", base_url=ISSUER)
    document = response.get_json()
    assert response.content_type == "application/json"
    assert document["issuer"] == ISSUER
    rules = {rule.rule for rule in web.url_map.iter_rules()}
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"):
        assert document[name].removeprefix(ISSUER) in rules
    assert document["request_uri_parameter_supported"] is False
    assert "none" not in document["id_token_signing_alg_values_supported"]
    assert client.get("/.well-known/oauth-authorization-server", base_url=ISSUER).get_json() == document


def test_published_keys_are_public_and_named(web: Flask) -> None:
    keys = web.test_client().get("/jwks", base_url=ISSUER).get_json()["keys"]
    assert {key["alg"] for key in keys} == {"RS256", "PS256", "ES256", "EdDSA"}
    assert len({key["kid"] for key in keys}) == len(keys) == 8
    assert all(key["use"] == "sig" and not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key) for key in keys)


def test_every_scope_prompt_and_claim_that_is_listed_works(web: Flask, rp: RelyingParty, person: Person) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    person.open(
        rp.request(scope=" ".join(document["scopes_supported"]), acr_values=" ".join(document["acr_values_supported"]))
    )
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    assert set(tokens["scope"].split()) == set(document["scopes_supported"])
    told = set(rp.claims(tokens["id_token"])) | set(rp.userinfo(tokens["access_token"]).get_json())
    assert told - {"at_hash"} == set(document["claims_supported"])
    assert rp.claims(tokens["id_token"])["acr"] in document["acr_values_supported"]


def test_userinfo_takes_the_token_in_header_or_form_and_nowhere_else(
    web: Flask, rp: RelyingParty, person: Person
) -> None:
    person.open(rp.request())
    token = rp.redeem(answer_of(person.address)["code"]).get_json()["access_token"]
    client, bearer = web.test_client(), {"Authorization": f"bEARER {token}"}
    by_get = client.get("/userinfo", headers=bearer, base_url=ISSUER)
    assert by_get.status_code == 200
    assert client.post("/userinfo", headers=bearer, base_url=ISSUER).data == by_get.data
    assert client.post("/userinfo", data={"access_token": token}, base_url=ISSUER).data == by_get.data
    assert client.get(f"/userinfo?access_token={token}", base_url=ISSUER).status_code == 400
    twice = client.post("/userinfo", data={"access_token": token}, headers=bearer, base_url=ISSUER)
    assert twice.status_code == 400
    none = client.get("/userinfo", base_url=ISSUER)
    assert none.status_code == 401
    assert none.headers["WWW-Authenticate"].startswith('Bearer realm="connect", DPoP realm="connect", algs="ES256 ')


def test_nothing_weak_and_nothing_encrypted_is_on_offer(web: Flask) -> None:
    """RFC 8725 §3.2: neither `none`, nor a symmetric algorithm, nor the padding of PKCS 1 v1.5 for encryption."""
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    algorithms = {alg for name, value in document.items() if "_alg_" in name for alg in value}
    assert algorithms == {"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}
    assert not [name for name in document if "encryption" in name]
