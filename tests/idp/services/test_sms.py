"""SMS to real gateways: one that behaves like ASPSMS's JSON interface, and a webhook that checks our signature."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import timedelta

import pytest

from idp.clock import FrozenClock
from tests.support.authority import Authority
from tests.support.office import Office
from tests.support.web_server import Asked, Said, WebServer, said

USER_KEY, PASSWORD = "K7QMXW2R9PLD", "hT5rWq8ZnB3vKx6LmP4sYd7F"
SECRET = "kR8nVw3XqZ6tYb9LmD2sHf5Gp7Jc4Qx1"


class ASPSMS:
    """SendSimpleTextSMS as its users know it: HTTP 200 with a StatusCode that says how it went."""

    def __init__(self) -> None:
        self.credits = 10
        self.sent: list[tuple[str, str, str]] = []

    def __call__(self, asked: Asked) -> Said:
        if asked.path != "/SendSimpleTextSMS" or not asked.headers["Content-Type"].startswith("application/json"):
            return Said(404)
        given = asked.json
        if (given["UserName"], given["Password"]) != (USER_KEY, PASSWORD):
            return said({"StatusCode": "3", "StatusInfo": "Invalid UserKey or Password"})
        if not given.get("Originator") or len(given["Originator"]) > 11:
            return said({"StatusCode": "10", "StatusInfo": "Invalid Originator"})
        if not given.get("Recipients") or "0000" in given["Recipients"][0]:
            return said({"StatusCode": "20", "StatusInfo": "Missing recipient"})
        if self.credits == 0:
            return said({"StatusCode": "5", "StatusInfo": "Not enough credits"})
        self.credits -= 1
        self.sent += [(given["Originator"], number, given["MessageText"]) for number in given["Recipients"]]
        return said({"StatusCode": "1", "StatusInfo": "OK"})


def use(office: Office, server: WebServer, authority: Authority, path: str = "/SendSimpleTextSMS", **more: str) -> None:
    given = {"sms_provider": "aspsms", "sms_user": USER_KEY, "sms_secret": PASSWORD, **more}
    office.set(sms_url=server.address + path, sms_ca_file=str(authority.file), **given)


def test_aspsms_takes_a_text_over_a_line_that_is_believed(office: Office, authority: Authority) -> None:
    gateway = ASPSMS()
    with WebServer(gateway, authority.issue()) as server:
        use(office, server, authority)
        office.text("+41791234567", "042042")
        (row,) = office.run()
    assert (row.state, row.sealed_content) == ("sent", None)
    ((sender, number, text),) = gateway.sent
    assert (sender, number) == ("Connect", "+41791234567")
    assert text.startswith("042042 est votre code Connect pour Caisse CPX.")
    assert text.endswith("\n\n@localhost:8000 #042042")


def test_aspsms_refusals_that_may_pass_keep_the_text(
    office: Office, authority: Authority, clock: FrozenClock
) -> None:  # fmt: skip
    gateway = ASPSMS()
    gateway.credits = 0
    with WebServer(gateway, authority.issue()) as server:
        use(office, server, authority)
        office.text()
        (row,) = office.run()
        assert (row.state, row.last_error) == ("waiting", "the gateway answered status 5")
        use(office, server, authority, sms_secret="hT5rWq8ZnB3vKx6LmP4sYd7G")
        clock.advance(timedelta(seconds=5))
        (row,) = office.run()
        assert (row.state, row.last_error) == ("waiting", "the gateway answered status 3")
        gateway.credits = 1
        use(office, server, authority)
        clock.advance(timedelta(seconds=30))
        (row,) = office.run()
    assert (row.state, row.tries) == ("sent", 3)
    assert len(gateway.sent) == 1


def test_aspsms_without_a_recipient_is_given_up(office: Office, authority: Authority) -> None:
    with WebServer(ASPSMS(), authority.issue()) as server:
        use(office, server, authority)
        office.text("+41790000000")
        (row,) = office.run()
    assert (row.state, row.tries) == ("dead", 1)
    assert "+41" not in str(row.last_error)


@pytest.mark.parametrize(
    "answer",
    [
        Said(200), Said(200, b"OK"), Said(200, b"[1]"), Said(200, b'{"StatusInfo": "OK"}'), Said(200, b"[" * 20_000),
        Said(200, b'{"StatusCode": null}'), Said(200, b'{"StatusCode": {"1": 1}}'), said({"StatusCode": "1"}, 500),
        said({"StatusCode": "1"}, 429), Said(302, b'{"StatusCode": "1"}', {"Location": "http://localhost:9/"}),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_keeps_the_text(office: Office, authority: Authority, answer: Said) -> None:
    with WebServer(lambda _: answer, authority.issue()) as server:
        use(office, server, authority)
        office.text()
        (row,) = office.run()
    assert row.state == "waiting"
    assert len(server.asked) == 1


def test_a_gateway_that_cannot_be_believed_gets_no_code(office: Office, authority: Authority) -> None:
    with WebServer(ASPSMS(), authority.self_signed()) as server:
        use(office, server, authority)
        office.text()
        (row,) = office.run()
    assert (row.state, row.last_error) == ("waiting", "OutgoingFailed: SSLCertVerificationError")
    assert server.asked == []


class Webhook:
    """A receiver as docs/sms-webhook.md tells its author to write it."""

    def __init__(self) -> None:
        self.texts: dict[str, tuple[str, str, str]] = {}
        self.status = 204

    def __call__(self, asked: Asked) -> Said:
        shown = dict(part.split("=", 1) for part in asked.headers["Connect-Signature"].split(","))
        expected = hmac.new(SECRET.encode(), shown["t"].encode() + b"." + asked.body, hashlib.sha256).hexdigest()
        if abs(time.time() - int(shown["t"])) > 300 or not hmac.compare_digest(expected, shown["v1"]):
            return Said(401)
        given = json.loads(asked.body)
        self.texts[given["id"]] = (given["to"], given["sender"], given["text"])
        return Said(self.status)


def test_the_webhook_can_tell_our_texts_from_others(office: Office, authority: Authority, clock: FrozenClock) -> None:
    receiver = Webhook()
    with WebServer(receiver, authority.issue()) as server:
        use(office, server, authority, "/sms", sms_provider="webhook", sms_secret="x" + SECRET)
        office.text(code="042042")
        (row,) = office.run()
        assert (row.state, row.last_error) == ("waiting", "the gateway answered 401")
        use(office, server, authority, "/sms", sms_provider="webhook", sms_secret=SECRET)
        clock.advance(timedelta(seconds=5))
        (row,) = office.run()
        assert row.state == "sent"
    ((to, sender, text),) = receiver.texts.values()
    assert (to, sender, text[:6]) == ("+41791234567", "Connect", "042042")


def test_a_text_that_is_handed_over_again_keeps_its_id(
    office: Office, authority: Authority, clock: FrozenClock
) -> None:  # fmt: skip
    receiver = Webhook()
    receiver.status = 503
    with WebServer(receiver, authority.issue()) as server:
        use(office, server, authority, "/sms", sms_provider="webhook", sms_secret=SECRET)
        office.text()
        office.run()
        receiver.status = 200
        clock.advance(timedelta(seconds=5))
        (row,) = office.run()
    assert (row.state, row.tries, len(server.asked)) == ("sent", 2, 2)
    assert list(receiver.texts) == [str(row.id)]


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "sent"), (202, "sent"), (204, "sent"), (400, "dead"), (404, "dead"), (410, "dead"), (422, "dead")]
    + [(status, "waiting") for status in (301, 302, 307, 401, 403, 429, 500, 502, 503)],
)
def test_the_webhook_is_obeyed(office: Office, authority: Authority, status: int, state: str) -> None:
    with WebServer(lambda _: Said(status, b"", {"Location": "http://localhost:9/"}), authority.issue()) as server:
        use(office, server, authority, "/sms", sms_provider="webhook", sms_secret=SECRET)
        office.text()
        (row,) = office.run()
    assert row.state == state


def test_no_code_is_texted_after_its_life(office: Office, authority: Authority, clock: FrozenClock) -> None:
    gateway = ASPSMS()
    gateway.credits = 0
    with WebServer(gateway, authority.issue()) as server:
        use(office, server, authority)
        office.text(expires_at=clock.now() + timedelta(minutes=10))
        while office.run()[0].state == "waiting":
            clock.advance(timedelta(minutes=2))
            gateway.credits = int(clock.now() >= office.rows()[0].created_at + timedelta(minutes=10))
    assert office.rows()[0].state == "expired"
    assert gateway.sent == []


def test_a_second_gateway_takes_over_when_the_first_one_fails_and_not_when_it_refuses(
    office: Office, authority: Authority
) -> None:
    first, asked = ASPSMS(), list[Asked]()

    def second(question: Asked) -> Said:
        asked.append(question)
        return Said(204)

    with WebServer(first, authority.issue()) as server, WebServer(second, authority.issue()) as other:
        spare = {
            "sms_fallback_provider": "webhook", "sms_fallback_url": f"{other.address}/sms",
            "sms_fallback_secret": SECRET,
        }  # fmt: skip
        use(office, server, authority, **spare)
        office.text("+41791234567", "042042")
        assert [row.state for row in office.run()] == ["sent"]
        assert (len(first.sent), len(asked)) == (1, 0)
        first.credits = 0
        office.text("+41791234567", "042043")
        assert [row.state for row in office.run()] == ["sent", "sent"]
        assert (len(first.sent), len(asked)) == (1, 1)
        office.text("+41790000567", "042044")
        assert "dead" in [row.state for row in office.run()]
        assert len(asked) == 1
