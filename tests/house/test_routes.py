"""What can be reached from outside is declared, and every opening in the guard is on this list."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from flows.journeys import JOURNEYS
from idp.errors import Fault
from idp.models.portal import Portal
from idp.protocol.interactions import Interaction
from idp.web.guard import ANY_HOST, EXEMPT
from idp.web.session import BLIND, current_session
from tests.support.person import ISSUER, Person

# Views that other origins may post to; each proves its caller by itself, or changes nothing.
MAY_BE_POSTED_FROM_ELSEWHERE = {
    "idp.api.codes.order_letter",
    "idp.api.codes.void_letter",
    "idp.api.persons.put_person",
    "idp.api.persons.put_persons",
    "idp.api.portals.patch_portal",
    "idp.api.webhooks.add_webhook",
    "idp.api.webhooks.enable_webhook",
    "idp.api.webhooks.redeliver",
    "idp.api.webhooks.remove_webhook",
    "idp.api.webhooks.renew_webhook_secret",
    "idp.endpoints.authorize.authorize_by_post",
    "idp.endpoints.device_authorization.device_authorization",
    "idp.endpoints.end_session.logout_by_post",
    "idp.endpoints.import_feed.send",
    "idp.endpoints.introspection.introspect",
    "idp.endpoints.pushed_authorization.push",
    "idp.endpoints.registration.register",
    "idp.endpoints.registration.replace",
    "idp.endpoints.registration.withdraw",
    "idp.endpoints.revocation.revoke",
    "idp.endpoints.sms_receipt.receive",
    "idp.endpoints.token.token",
    "idp.endpoints.userinfo.userinfo",
}
BLIND_TO_COOKIES = {
    "api",
    "device_authorization",
    "discovery",
    "import_feed",
    "introspection",
    "probes",
    "pushed_authorization",
    "registration",
    "revocation",
    "sms_receipt",
    "token",
    "userinfo",
}
SAMPLES = {
    "slug": "cpx", "handle": "h", "action": "resend", "filename": "connect.css", "digest": "d", "version": "v",
    "passkey_id": "p", "account_id": "00000000-0000-7000-8000-000000000000",
    "person_id": "00000000-0000-7000-8000-000000000000", "import_id": "00000000-0000-7000-8000-000000000000",
    "token_id": "00000000-0000-7000-8000-000000000000",
    "batch_id": "00000000-0000-7000-8000-000000000000",
    "letter_id": "00000000-0000-7000-8000-000000000000", "print_id": "00000000-0000-7000-8000-000000000000",
    "code_id": "00000000-0000-7000-8000-000000000000",
    "change_id": "00000000-0000-7000-8000-000000000000",
    "export_id": "00000000-0000-7000-8000-000000000000",
    "view_id": "00000000-0000-7000-8000-000000000000",
    "external_id": "P-1",
    "client_id": "cc_api_x",
    "webhook_id": "00000000-0000-7000-8000-000000000000", "delivery_id": "00000000-0000-7000-8000-000000000000",
}  # fmt: skip
AUTOMATIC = {"HEAD", "OPTIONS"}


def posts(web: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every rule that takes a POST, an address of it, and the name of its view."""
    for rule in web.url_map.iter_rules():
        if "POST" in (rule.methods or ()):
            view = web.view_functions[rule.endpoint]
            address = rule.rule
            for name in rule.arguments - set(rule.defaults or {}):
                for written in (f"<{name}>", f"<path:{name}>", f"<uuid:{name}>"):
                    address = address.replace(written, SAMPLES[name])
            yield rule, address, f"{view.__module__}.{view.__name__}"


def test_the_openings_in_the_guard_are_these(web: Flask) -> None:
    assert EXEMPT == MAY_BE_POSTED_FROM_ELSEWHERE
    assert BLIND == BLIND_TO_COOKIES
    assert {"probes"} == ANY_HOST


def test_a_form_of_another_origin_is_refused_everywhere_else(web: Flask, portal: Portal) -> None:
    browser = Person(web)
    browser.open("/cpx/login")  # so that there is a browser to be tricked
    refused = set()
    for _, address, view in posts(web):
        answer = browser.client.post(address, base_url=ISSUER, headers={"Origin": "https://evil.example"})
        if view not in EXEMPT:
            assert answer.status_code == 403, address
            refused.add(view)
        else:
            assert answer.status_code != 403, address
    assert refused


def test_a_form_of_our_own_without_its_token_is_refused(web: Flask, portal: Portal) -> None:
    browser = Person(web)
    browser.open("/cpx/login")
    for _, address, view in posts(web):
        if view not in EXEMPT:
            for token in ({}, {"csrf_token": "x" * 43}):
                answer = browser.client.post(address, data=token, base_url=ISSUER, headers={"Origin": ISSUER})
                assert answer.status_code == 403, address


def test_machine_endpoints_ask_for_no_session_and_set_no_cookie(web: Flask, portal: Portal) -> None:
    rules = [rule for rule in web.url_map.iter_rules() if rule.endpoint.split(".")[0] in BLIND]
    assert len(rules) >= len(BLIND)
    for rule in rules:
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = web.test_client().open(rule.rule, method=method, base_url=ISSUER)
            assert "Set-Cookie" not in answer.headers, rule.rule
            with web.test_request_context(rule.rule, method=method, base_url=ISSUER), pytest.raises(Fault):
                current_session()


def test_every_route_takes_the_methods_it_declares_and_no_other(web: Flask, portal: Portal) -> None:
    by_address: dict[str, set[str]] = {}
    for rule in web.url_map.iter_rules():
        declared = (rule.methods or set()) - AUTOMATIC
        assert declared in ({"GET"}, {"POST"}, {"GET", "POST"}, {"PUT"}, {"PATCH"}, {"DELETE"}), (
            f"{rule.rule} declares {declared}"
        )
        by_address.setdefault(rule.rule, set()).update(declared)
    both = {address for address, methods in by_address.items() if methods == {"GET", "POST"}}
    assert "/token" not in both
    browser = Person(web)
    browser.open("/cpx/login")
    for _, address, _ in posts(web):
        for method in ("PUT", "DELETE", "PATCH", "TRACE"):
            answer = browser.client.open(address, method=method, base_url=ISSUER, headers={"Origin": ISSUER})
            assert answer.status_code == 405, (method, address)
            assert "POST" in answer.headers["Allow"]


def test_every_interaction_has_a_journey_that_begins_where_it_says(web: Flask, portal: Portal) -> None:
    beginnings = {next(iter(journey.paths.values())): journey.name for journey in JOURNEYS.values()}
    assert {interaction.path for interaction in Interaction} <= set(beginnings)
    for interaction in Interaction:
        browser = Person(web)
        browser.open(f"/cpx/{interaction.path}")
        if interaction is not Interaction.CONSENT:  # without a request there is nothing to consent to
            assert browser.page.status_code == 200
            assert browser.title
