"""The client of the conformance modules: discovers, sends a person through Chromium, redeems, reads, logs out."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import urllib3
from playwright.sync_api import Browser, BrowserContext, Page

from tests.conformance import conditions
from tests.conformance.provider import EMAIL, PASSWORD, Callback, Provider, as_object

VERIFIER = "v3rifier-" * 6
WAIT_MS = 15_000


@dataclass(frozen=True)
class Answer:
    """What the wire brought: status, headers by lower-case name, and the body as text."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        return as_object(self.text)


class Wire:
    """HTTPS to a host name of the test, checked against the test's authority."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def send(
        self, method: str, url: str, *, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        sent = dict(headers or {})
        if form is None:
            return self._send(method, url, None, sent)
        return self._send(method, url, urlencode(form), sent | {"Content-Type": "application/x-www-form-urlencoded"})

    def send_json(self, method: str, url: str, body: dict[str, Any], *, bearer: str) -> Answer:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
        return self._send(method, url, json.dumps(body), headers)

    def _send(self, method: str, url: str, body: str | None, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url)
        assert parts.scheme == "https"
        assert parts.hostname
        assert parts.port
        pool = urllib3.HTTPSConnectionPool(
            "127.0.0.1", parts.port, ca_certs=str(self._provider.authority.file), server_hostname=parts.hostname,
            assert_hostname=parts.hostname, timeout=20,
        )  # fmt: skip
        sent = {"Host": parts.netloc, **headers}
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            got = pool.request(method, target, body=body, headers=sent, redirect=False, retries=False)
            names = {name.lower(): value for name, value in got.headers.items()}
            return Answer(got.status, names, got.data.decode())
        finally:
            pool.close()


@dataclass
class Client:
    """One registered portal as the suite's configuration file would name it."""

    client_id: str
    secret: str | None
    redirect_uri: str
    auth_method: str = "client_secret_basic"
    alg: str = "RS256"
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """The browser stayed at the provider: what the page says."""

    status: int
    text: str
    address: str


class Suite:
    """One module's run: a browser of its own, and the provider as its discovery document describes it.

    The browser begins with `cookies`, and those it has in the end are left there.
    """

    def __init__(self, provider: Provider, chromium: Browser, cookies: list[Any]) -> None:
        self.provider, self._cookies = provider, cookies
        self.wire = Wire(provider)
        self._chromium = chromium
        self._context: BrowserContext | None = None
        self.authentications = 0
        well_known = f"{provider.issuer}/.well-known/openid-configuration"
        self.metadata = self.wire.send("GET", well_known).json
        assert self.metadata["issuer"] == provider.issuer
        self.keys = self.wire.send("GET", self.metadata["jwks_uri"]).json
        conditions.check_jwks(self.keys)

    def now(self) -> float:
        return self.provider.clock.now().timestamp()

    # The browser's part.

    def page(self) -> Page:
        if self._context is None:
            self._context = self._chromium.new_context(ignore_https_errors=True, locale="en-GB")
            self._context.set_default_timeout(WAIT_MS)
            self._context.add_cookies(self._cookies)
        return self._context.new_page()

    def close(self) -> None:
        if self._context is not None:
            self._cookies[:] = self._context.cookies()
            self._context.close()
            self._context = None

    def request_parameters(self, client: Client, **changes: str | None) -> dict[str, str]:
        """The suite's ordinary request; a parameter set to None is left out."""
        wanted: dict[str, str | None] = {
            "client_id": client.client_id, "redirect_uri": client.redirect_uri, "response_type": "code",
            "scope": "openid", "state": "suite-state", "nonce": "suite-nonce", **client.extra, **changes,
        }  # fmt: skip
        return {name: value for name, value in wanted.items() if value is not None}

    def authorize(self, client: Client, *, method: str = "GET", **changes: str | None) -> Callback | Shown:
        """Send a person with this request through the browser; signs in where asked to."""
        parameters = self.request_parameters(client, **changes)
        endpoint = self.metadata["authorization_endpoint"]
        if method == "GET":
            return self.visit(f"{endpoint}?{urlencode(parameters)}")
        page = self.page()
        before = len(self.provider.portal_side.received)
        page.goto(f"{self.provider.portal_origin}/start")
        fields = "".join(f'<input type=hidden name="{name}" value="{value}">' for name, value in parameters.items())
        page.set_content(f'<form method=post action="{endpoint}">{fields}<button>go</button></form>')
        page.click("button")
        return self._walk(page, before + 1, None)

    def visit(self, address: str) -> Callback | Shown:
        page = self.page()
        before = len(self.provider.portal_side.received)
        response = page.goto(address)
        return self._walk(page, before, response.status if response else None)

    def _walk(self, page: Page, before: int, status: int | None) -> Callback | Shown:
        """Do what the pages ask until the browser is back at the portal, or stays at a page without a form."""
        origin = self.provider.portal_origin
        for _ in range(6):
            page.wait_for_load_state("load")
            if page.url.startswith(origin):
                break
            if not self.sign_in_on(page):
                shown = Shown(status or 0, page.inner_text("main"), page.url)
                page.close()
                return shown
        page.wait_for_url(f"{origin}/**", timeout=WAIT_MS)
        page.close()
        received = self.provider.portal_side.received
        assert len(received) > before, "the portal got no callback"
        return received[-1]

    def sign_in_on(self, page: Page) -> bool:
        """Answer the page where it asks for the password or the app's code; False where it asks for neither."""
        if page.locator("[name=password]").count():
            self.authentications += 1
            page.fill("[name=email]", EMAIL)
            page.fill("[name=password]", PASSWORD)
        elif page.locator("[name=otp]").count():
            page.fill("[name=otp]", self.provider.one_time_code())
        else:
            return False
        with page.expect_navigation(wait_until="load"):
            page.locator("main form[method=post] button[type=submit]").first.click()
        return True

    def code(self, client: Client, *, method: str = "GET", **changes: str | None) -> str:
        """The code of a successful authorization, its redirect judged."""
        parameters = self.request_parameters(client, **changes)
        callback = self.authorize(client, method=method, **changes)
        assert isinstance(callback, Callback), callback
        if parameters.get("response_mode") == "form_post":
            assert callback.method == "POST"
            assert not callback.query
            assert callback.content_type.split(";")[0] == "application/x-www-form-urlencoded"
        else:
            assert callback.method == "GET"
        conditions.check_success(callback.parameters, self.provider.issuer, parameters.get("state"))
        return callback.parameters["code"]

    def refused(self, client: Client, *codes: str, **changes: str | None) -> None:
        """The authorization ends with one of these errors at the portal, in the mode that was asked for."""
        callback = self.authorize(client, **changes)
        assert isinstance(callback, Callback), callback
        conditions.check_error(callback.parameters, *codes)
        parameters = self.request_parameters(client, **changes)
        assert callback.parameters.get("state") == parameters.get("state")
        assert callback.parameters["iss"] == self.provider.issuer
        if parameters.get("response_mode") == "form_post":
            assert callback.method == "POST"
            assert not callback.query

    # The portal's part.

    def token(self, client: Client, form: dict[str, str], headers: dict[str, str] | None = None) -> Answer:
        """POST to the token endpoint as this client."""
        sent, given = dict(headers or {}), dict(form)
        if client.auth_method == "client_secret_basic" and client.secret is not None:
            pair = f"{quote_plus(client.client_id)}:{quote_plus(client.secret)}"
            sent["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        elif client.auth_method == "client_secret_post" and client.secret is not None:
            given |= {"client_id": client.client_id, "client_secret": client.secret}
        return self.wire.send("POST", self.metadata["token_endpoint"], form=given, headers=sent)

    def redeem(self, client: Client, code: str, **extra: str) -> Answer:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect_uri, **extra}
        return self.token(client, form)

    def tokens(self, client: Client, code: str, *, nonce: str | None = "suite-nonce", **extra: str) -> dict[str, Any]:
        """The token answer and its ID token, both judged; the claims stand under `claims`."""
        answer = self.redeem(client, code, **extra)
        conditions.check_token_answer(answer.status, answer.headers, answer.json, token_type="Bearer")
        body = answer.json
        return {**body, "claims": self.id_token(client, body, nonce)}

    def id_token(self, client: Client, body: dict[str, Any], nonce: str | None) -> dict[str, Any]:
        return conditions.check_id_token(
            body["id_token"], self.keys, issuer=self.provider.issuer, audience=client.client_id, now=self.now(),
            alg=client.alg, nonce=nonce, access_token=body["access_token"],
        )  # fmt: skip

    def sign_in(self, client: Client, **changes: str | None) -> dict[str, Any]:
        """From the request to judged tokens."""
        nonce = self.request_parameters(client, **changes).get("nonce")
        return self.tokens(client, self.code(client, **changes), nonce=nonce)

    def userinfo(self, tokens: dict[str, Any], *, method: str = "GET", in_body: bool = False) -> dict[str, Any]:
        """The claims of the userinfo endpoint, judged."""
        url = self.metadata["userinfo_endpoint"]
        if in_body:
            answer = self.wire.send("POST", url, form={"access_token": tokens["access_token"]})
        else:
            answer = self.wire.send(method, url, headers={"Authorization": f"Bearer {tokens['access_token']}"})
        conditions.check_userinfo(
            answer.status, answer.headers, answer.json, sub=tokens["claims"]["sub"], now=self.now()
        )
        return answer.json


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def as_claims(**claims: Any) -> str:
    """The `claims` parameter."""
    return json.dumps(claims)
