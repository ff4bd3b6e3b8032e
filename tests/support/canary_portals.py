"""What portals do in the canary run: exchanges by every client authentication, with the errors beside them."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from idp.models.base import db
from idp.models.portal import Portal
from tests.support.canary_run import Browser, World
from tests.support.relying_party import VERIFIER, answer_of, challenge

SCOPE = "openid profile email phone insurance offline_access"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class PortalSide:
    world: World
    portal: Portal
    secret: str | None
    key: ECKey

    def address(self, **changes: str) -> str:
        given = {
            "client_id": self.portal.client_id, "redirect_uri": self.portal.redirect_uris[0], "response_type": "code",
            "scope": SCOPE, "state": "s", "nonce": "n", "code_challenge": challenge(), "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{self.world.issuer}/authorize?{urlencode(given | changes)}"

    def credentials(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form fields by which this portal proves itself."""
        seed, method = self.world.canaries.seed, self.portal.token_endpoint_auth_method
        if method == "private_key_jwt":
            now = int(time.time())
            claims = {
                "iss": self.portal.client_id, "sub": self.portal.client_id, "aud": self.world.issuer,
                "jti": f"j-{time.monotonic_ns()}", "exp": now + 60, "iat": now,
            }  # fmt: skip
            assertion = seed("client assertion", jwt.encode({"alg": "ES256"}, claims, self.key))
            return {}, {"client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}
        secret = seed("client secret", self.secret or "")
        if method == "client_secret_post":
            return {}, {"client_id": self.portal.client_id, "client_secret": secret}
        basic = base64.b64encode(f"{self.portal.client_id}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {seed('Basic header', basic)}"}, {}

    def post(self, path: str, fields: dict[str, str], headers: dict[str, str]) -> requests.Response:
        verify = str(self.world.authority.file)
        with requests.Session() as http:
            http.trust_env = False
            return http.post(f"{self.world.issuer}{path}", data=fields, headers=headers, verify=verify, timeout=30)

    def exchange(self, browser: Browser) -> dict[str, Any]:
        """A code for this browser's session, redeemed, refreshed, used; and all that is refused on the way."""
        seed = self.world.canaries.seed
        browser.open(self.address())
        assert browser.address.startswith(self.portal.redirect_uris[0]), browser.text
        code = seed("authorization code", answer_of(browser.address)["code"])
        fields = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.portal.redirect_uris[0],
            "code_verifier": seed("code verifier", VERIFIER),
        }  # fmt: skip
        guessed = seed("client secret guessed", "cc_cs_" + "Gu3ss" * 8)
        self.post("/token", {**fields, "client_id": self.portal.client_id, "client_secret": guessed}, {})
        headers, proof = self.credentials()
        answer = self.post("/token", fields | proof, headers)
        assert answer.status_code == 200, answer.text
        tokens = self._note(answer.json())
        self.use(tokens["access_token"])
        headers, proof = self.credentials()
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        later = self._note(self.post("/token", refresh | proof, headers).json())
        self._misuse(fields, refresh, later)
        return later

    def use(self, access_token: str) -> None:
        answer = self.post("/userinfo", {}, {"Authorization": f"Bearer {access_token}"})
        assert answer.json()["insured_number"], answer.text

    def _note(self, tokens: dict[str, Any]) -> dict[str, Any]:
        for name in ("access_token", "refresh_token", "id_token"):
            self.world.canaries.seed(name, tokens[name])
        return tokens

    def _misuse(self, fields: dict[str, str], refresh: dict[str, str], tokens: dict[str, Any]) -> None:
        """Secrets where they do not belong, and each one once more."""
        access = tokens["access_token"]
        for path, given, header in (
            (f"/userinfo?access_token={access}", {}, ""),
            (f"/userinfo/{access}", {}, ""),
            ("/userinfo", {"access_token": access, "x": access}, f"Bearer {access}"),
            ("/userinfo", {}, f"Bearer {access} {access}"),
            (f"/token?code={fields['code']}", fields, ""),
            ("/token", {**fields, access: access}, f"Bearer {access}"),
            (f"/logout?id_token_hint={tokens['id_token']}x", {}, ""),
            (f"/authorize?request={tokens['id_token']}&client_id={access}", {}, ""),
        ):
            answer = self.post(path, given, {"Authorization": header} if header else {})
            assert answer.status_code < 500, (path, answer.text)
        for given in (fields, refresh):
            headers, proof = self.credentials()
            assert self.post("/token", given | proof, headers).json()["error"] == "invalid_grant"


def add_portal_side(world: World, method: str) -> PortalSide:
    slug = method.replace("_", "-")
    key = ECKey.generate_key("P-256")
    home = f"https://{slug}.example.ch"
    details: dict[str, Any] = {
        "slug": slug, "names": dict.fromkeys(("fr", "de", "it", "en"), f"Caisse {slug}"), "short_name": slug,
        "phone": "058 123 45 67", "email": "help@example.ch", "home_url": f"{home}/",
        "redirect_uris": [f"{home}/callback"], "post_logout_redirect_uris": [f"{home}/bye"],
        "token_endpoint_auth_method": method,
    }  # fmt: skip
    if method == "private_key_jwt":
        details["jwks"] = {"keys": [key.as_dict(private=False)]}
    portal, secret = world.services.portals.add(details)
    db.session.commit()
    return PortalSide(world, portal, secret, key)
