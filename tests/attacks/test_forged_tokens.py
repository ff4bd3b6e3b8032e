"""O-15 to O-19, C-55 to C-64: forged JWTs at every place that reads one: the id_token_hint and the client assertion."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of, header_of

EVERY_ALG = ["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "none"]


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def payload_of(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return decoded


def symmetric(header: dict[str, Any], body: str, key: bytes) -> str:
    text = f"{part({**header, 'alg': 'HS256'})}.{body}"
    return f"{text}.{part(hmac.digest(key, text.encode(), 'sha256'))}"


def canonical(public: dict[str, Any]) -> bytes:
    """What RFC 7638 hashes."""
    members = {name: public[name] for name in sorted(("kty", "n", "e"))}
    return json.dumps(members, separators=(",", ":")).encode()


def encrypted(header: dict[str, Any]) -> str:
    """Five parts, as a JWE has."""
    return ".".join((part(header), *(part(b"x" * 16) for _ in range(4))))


def forgeries(token: str, public: dict[str, Any]) -> dict[str, str]:
    """Everything that was ever taken for a signature, made from a genuine token and the published key."""
    head, body, signature = token.split(".")
    header, claims = header_of(token), payload_of(token)
    own = RSAKey.generate_key(2048, private=True)
    key = RSAKey.import_key(public)
    public_key = key.raw_value
    pem = public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    certificate = base64.b64encode(der).decode()

    def signed(changes: dict[str, Any], with_key: Any, alg: str) -> str:
        fields = {name: value for name, value in ({**header, "alg": alg} | changes).items() if value is not None}
        registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
        return jws.serialize_compact(fields, json.dumps(claims).encode(), with_key, registry=registry)

    forged = {
        f"alg {name}": f"{part({**header, 'alg': name})}.{body}." for name in ("none", "None", "NONE", "nOnE", "")
    }
    forged |= {
        f"alg {name} kept signature": f"{part({**header, 'alg': name})}.{body}.{signature}" for name in EVERY_ALG[1:]
    }
    forged |= {
        "HS256 with the PEM": symmetric(header, body, pem),
        "HS256 with the DER": symmetric(header, body, der),
        "HS256 with the JWK": symmetric(header, body, json.dumps(public).encode()),
        "HS256 with the PEM of PKCS 1": symmetric(header, body, pkcs1),
        "HS256 with the PEM without its last line break": symmetric(header, body, pem.strip()),
        "HS256 with the thumbprint's JWK": symmetric(header, body, canonical(public)),
        "HS256 with the modulus": symmetric(header, body, public["n"].encode()),
        "HS256 with no key": symmetric(header, body, b""),
        "another key": signed({}, own, "RS256"),
        "another key in jwk": signed({"jwk": own.as_dict(private=False)}, own, "RS256"),
        "jku": signed({"jku": "http://127.0.0.1:9/keys"}, own, "RS256"),
        "x5u": signed({"x5u": "http://127.0.0.1:9/cert"}, own, "RS256"),
        "x5c": signed({"x5c": [certificate]}, own, "RS256"),
        "no kid": signed({"kid": None}, own, "RS256"),
        "ES256 zero signature": f"{part({**header, 'alg': 'ES256'})}.{body}.{part(bytes(64))}",
        "ES256 own key": signed({}, ECKey.generate_key("P-256", private=True), "ES256"),
        "empty signature": f"{head}.{body}.",
        "cut signature": f"{head}.{body}.{signature[:-8]}",
        "changed claims": f"{head}.{part({**claims, 'sub': 'somebody-else'})}.{signature}",
        "alg list": f"{part({**header, 'alg': ['RS256']})}.{body}.{signature}",
        "alg missing": f"{part({name: header[name] for name in header if name != 'alg'})}.{body}.{signature}",
        "unknown crit": f"{part({**header, 'crit': ['exp'], 'exp': 1})}.{body}.{signature}",
        "crit that no standard has": f"{part({**header, 'crit': ['bork'], 'bork': True})}.{body}.{signature}",
        "crit cnf": f"{part({**header, 'crit': ['cnf'], 'cnf': {'jkt': 'x'}})}.{body}.{signature}",
        "crit b64": f"{part({**header, 'crit': ['b64'], 'b64': False})}.{body}.{signature}",
        "crit empty": f"{part({**header, 'crit': []})}.{body}.{signature}",
        "zip": f"{part({**header, 'zip': 'DEF'})}.{body}.{signature}",
        "encrypted": encrypted({"alg": "dir", "enc": "A128GCM"}),
        "encrypted and inflating": encrypted({"alg": "dir", "enc": "A128GCM", "zip": "DEF"}),
        "encrypted by password": encrypted({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 10**9, "p2s": "AA"}),
        "encrypted with the padding of old": encrypted({"alg": "RSA1_5", "enc": "A128CBC-HS256"}),
        "general JSON": json.dumps({"payload": body, "signatures": [{"protected": head, "signature": signature}]}),
        "general JSON without a signature": json.dumps({"payload": body, "signatures": []}),
        "kid path": f"{part({**header, 'kid': '../../../dev/null'})}.{body}.{signature}",
        "kid SQL": f"{part({**header, 'kid': chr(39) + ' OR 1=1 --'})}.{body}.{signature}",
        "kid huge": f"{part({**header, 'kid': 'k' * 40_000})}.{body}.{signature}",
        "kid number": f"{part({**header, 'kid': 1})}.{body}.{signature}",
        "nested": part(token.encode()) + "." + part(token.encode()) + "." + signature,
        "JSON serialisation": json.dumps({"protected": head, "payload": body, "signature": signature}),
        "deep JSON": f"{part(b'[' * 5000)}.{body}.{signature}",
        "five parts": f"{head}.{body}.{signature}.x.y",
        "two parts": f"{head}.{body}",
        "dots": "..",
        "nothing": "",
        "not ASCII": f"{head}.{body}.é",
        "header no object": f"{part([])}.{body}.{signature}",
        "claims no object": f"{head}.{part([])}.{signature}",
    }  # fmt: skip
    return forged


@pytest.fixture
def genuine(rp: RelyingParty, person: Person) -> str:
    person.open(rp.request())
    token: str = rp.redeem(answer_of(person.address)["code"]).get_json()["id_token"]
    return token


def test_forged_hints_end_no_session_and_open_no_request(
    web: Flask, rp: RelyingParty, person: Person, genuine: str
) -> None:
    keys = web.test_client().get("/jwks", base_url=ISSUER).get_json()["keys"]
    public = next(key for key in keys if key["kid"] == header_of(genuine)["kid"])
    assert not {"d", "p", "q", "k"} & {name for key in keys for name in key}
    for name, forged in forgeries(genuine, public).items():
        person.open(rp.request(id_token_hint=forged, prompt="none"))
        is_too_long = person.page.status_code == 414
        assert is_too_long or answer_of(person.address)["error"] == "invalid_request", name
        response = person.client.get("/logout", query_string={"id_token_hint": forged}, base_url=ISSUER)
        assert response.status_code == (414 if is_too_long else 200), name
    person.open(rp.request(prompt="none", id_token_hint=genuine))
    assert "code" in answer_of(person.address)  # still signed in, and the genuine one still counts


def test_an_access_token_or_code_is_no_id_token_and_the_other_way_round(
    rp: RelyingParty, person: Person, genuine: str
) -> None:
    person.open(rp.request())
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    for wrong in (tokens["access_token"], tokens["refresh_token"]):
        person.open(rp.request(id_token_hint=wrong, prompt="none"))
        assert answer_of(person.address)["error"] == "invalid_request"
    for wrong in (tokens["id_token"], tokens["refresh_token"], "cc_at_" + "A" * 43, "", "é"):
        assert rp.userinfo(wrong.encode("utf-8").decode("latin-1")).status_code == 401
    for wrong in (tokens["id_token"], tokens["access_token"], "cc_rt_" + "A" * 43, ""):
        assert rp.refresh(wrong).get_json()["error"] == "invalid_grant"
    for wrong in (tokens["id_token"], tokens["access_token"], tokens["refresh_token"], ""):
        assert rp.redeem(wrong).get_json()["error"] == "invalid_grant"


def test_a_token_of_ours_of_another_kind_is_no_hint(
    rp: RelyingParty, person: Person, genuine: str, services: Services
) -> None:
    claims = payload_of(genuine)
    for kind in ("at+jwt", "logout+jwt", "oauth-authz-req+jwt", "dpop+jwt", "token-introspection+jwt"):
        forged = services.keyring.sign(claims, alg="RS256", typ=kind)
        person.open(rp.request(id_token_hint=forged, prompt="none"))
        assert answer_of(person.address)["error"] == "invalid_request", kind
    foreign = services.keyring.sign({**claims, "iss": "https://other.example"}, alg="RS256", typ="JWT")
    person.open(rp.request(id_token_hint=foreign, prompt="none"))
    assert answer_of(person.address)["error"] == "invalid_request"


def test_forged_client_assertions_are_refused(
    web: Flask, rp: RelyingParty, portal: Portal, person: Person, clock: FrozenClock
) -> None:
    key = RSAKey.generate_key(2048, {"kid": "portal-key"}, private=True)
    row = db.session.get_one(Portal, portal.id)
    row.token_endpoint_auth_method, row.jwks = "private_key_jwt", {"keys": [key.as_dict(private=False)]}
    db.session.commit()
    now = int(clock.now().timestamp())
    claims = {"iss": rp.client_id, "sub": rp.client_id, "aud": ISSUER, "exp": now + 60, "iat": now, "jti": "j-forged"}
    token = jws.serialize_compact(
        {"alg": "RS256", "kid": "portal-key", "typ": "JWT"}, json.dumps(claims).encode(), key, algorithms=["RS256"]
    )
    rp.secret = ""
    for name, forged in forgeries(token, key.as_dict(private=False)).items():
        response = assert_client(rp, forged)
        assert (response.status_code, response.get_json()["error"]) == (401, "invalid_client"), name
    assert assert_client(rp, token).get_json()["error"] == "invalid_grant"  # authenticated; only the code is wrong
    assert assert_client(rp, token).get_json()["error"] == "invalid_client"  # each assertion once


def assert_client(rp: RelyingParty, assertion: str) -> Any:
    return rp.post(
        "/token", grant_type="authorization_code", code="cc_code_x", redirect_uri=rp.redirect_uri,
        client_assertion=assertion,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    )  # fmt: skip
