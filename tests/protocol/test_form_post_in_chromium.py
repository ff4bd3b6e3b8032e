"""The answer by form in a real Chromium, across origins and under our policy, with JavaScript and without."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from flask import Flask, redirect, request
from playwright.sync_api import Browser, BrowserContext
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.builders import add_person, add_portal
from tests.support.ports import five_free_ports
from tests.support.relying_party import challenge
from wsgi import create_app

pytestmark = pytest.mark.browser
OURS, THEIRS = five_free_ports(), five_free_ports() + 1
ISSUER, PORTAL = f"http://localhost:{OURS}", f"http://localhost:{THEIRS}"
HOME = f"http://127.0.0.1:{THEIRS}/home"  # another origin of the portal, where its callback leads on to


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Nothing: pytest shows what our own log says."""


def served(app: Flask, port: int) -> Iterator[None]:
    server = make_server("localhost", port, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "CONNECT_ISSUER": ISSUER}


@pytest.fixture
def received() -> list[dict[str, str]]:
    """What the portal was posted."""
    return []


@pytest.fixture
def portal_site(received: list[dict[str, str]]) -> Iterator[None]:
    site = Flask("portal")

    @site.post("/callback")
    def callback() -> Response:
        assert not request.args
        received.append({**request.form, "kind": request.mimetype, "origin": request.headers["Origin"]})
        return redirect(HOME, 303)

    @site.get("/home")
    def home() -> str:
        return "<h1>Welcome</h1>"

    yield from served(site, THEIRS)


@pytest.fixture
def site(app: Flask, services: Services, signing_keys: None, portal_site: None) -> Iterator[Portal]:
    row = add_portal(redirect_uris=[f"{PORTAL}/callback"], home_url=HOME, consent=True, publisher="Muster AG")
    yield from (row for _ in served(create_app(services=services), OURS))


@pytest.fixture(params=[True, False], ids=["javascript", "no javascript"])
def browser(request: pytest.FixtureRequest, chromium: Browser, site: Portal, services: Services) -> BrowserContext:
    """A browser in which somebody is signed in."""
    account = services.accounts.create(
        email="helene@example.ch", given_name="Hélène", family_name="Müller", language="fr", password_hash="-"
    )
    add_person(site).link(account.id, services.clock.now())
    secret = services.sessions.open(account, browser_hash="x", acr="mfa", amr=["pwd", "otp", "mfa"])
    db.session.commit()
    context = chromium.new_context(java_script_enabled=request.param, locale="fr-CH")
    context.add_cookies([{"name": "connect_session", "value": secret, "url": ISSUER}])
    context.set_default_timeout(15_000)
    return context


def test_the_answer_arrives_by_post_over_consent_and_leads_on(
    request: pytest.FixtureRequest, browser: BrowserContext, site: Portal, received: list[dict[str, str]]
) -> None:
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    state = "\"'><script>é&amp;漢"
    query = {
        "client_id": site.client_id, "redirect_uri": f"{PORTAL}/callback", "response_type": "code", "state": state,
        "scope": "openid email", "response_mode": "form_post", "code_challenge": challenge(),
        "code_challenge_method": "S256",
    }  # fmt: skip
    page.goto(f"{ISSUER}/authorize?{urlencode(query)}")
    assert page.inner_text("h1") == "Caisse CPX souhaite consulter ces données"
    boxes = [page.locator(f"button[value={decision}]").bounding_box() for decision in ("allow", "deny")]
    sizes = {(round(box["width"]), round(box["height"])) for box in boxes if box}
    assert (len(boxes), len(sizes)) == (2, 1)  # of the same weight
    page.click("button[value=allow]")
    if "no javascript" in request.node.name:
        assert page.inner_text("h1") == "Vous retournez à Caisse CPX"
        page.click("button[type=submit]")
    page.wait_for_url(HOME)
    assert page.inner_text("h1") == "Welcome"
    [answer] = received
    assert (answer["kind"], answer["origin"]) == ("application/x-www-form-urlencoded", ISSUER)
    assert (answer["state"], answer["iss"]) == (state, ISSUER)
    assert answer["code"].startswith("cc_code_")
    assert refused == []


def test_an_error_arrives_the_same_way(
    request: pytest.FixtureRequest, browser: BrowserContext, site: Portal, received: list[dict[str, str]]
) -> None:
    page = browser.new_page()
    query = {
        "client_id": site.client_id, "redirect_uri": f"{PORTAL}/callback", "response_type": "code", "state": "s",
        "scope": "email", "response_mode": "form_post",
    }  # fmt: skip
    page.goto(f"{ISSUER}/authorize?{urlencode(query)}", wait_until="commit")
    if "no javascript" in request.node.name:
        page.click("button[type=submit]")
    page.wait_for_url(HOME)
    assert [(answer["error"], answer["state"]) for answer in received] == [("invalid_scope", "s")]
