"""Back-channel logout: every portal of an ended session is told, in parallel, safely, and again when it was away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from joserfc import jws

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from idp.services.delivery import Worker
from idp.services.logout_delivery import BACK_OFF, LogoutCourier
from tests.actions import link, register, sign_in
from tests.support.authority import Authority
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.portal_server import Canary, Page, PortalServer, serving
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of

BYE = "https://cpx.example.ch/bye"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[PortalServer]:
    with serving(authority, "localhost") as made:
        made.pages["/out"] = Page()
        yield made


@pytest.fixture
def environment(environment: dict[str, str], authority: Authority) -> dict[str, str]:
    places = {"CONNECT_PORTALS_INSIDE": "localhost", "CONNECT_PORTALS_CA_FILE": str(authority.file)}
    return {**environment, **places}


@pytest.fixture
def told(portal: Portal, server: PortalServer) -> Portal:
    """The portal of `rp`, which wants to be told of every logout."""
    portal.backchannel_logout_uri = server.url("/out")
    db.session.commit()
    return portal


@pytest.fixture
def courier(web: Flask) -> LogoutCourier:
    return LogoutCourier(web)


@pytest.fixture
def at_work(web: Flask) -> Iterator[None]:
    """The worker, running beside."""
    stop = threading.Event()
    thread = threading.Thread(target=Worker(web).run_forever, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(10)


def enter(rp: RelyingParty, person: Person) -> dict[str, Any]:
    """Sign on at a portal; its tokens."""
    person.open(rp.request())
    found: dict[str, Any] = rp.redeem(answer_of(person.address)["code"]).get_json()
    return found


def leave(person: Person, **query: str) -> str:
    response = person.client.get("/logout", query_string=query, base_url=ISSUER)
    return str(response.headers.get("Location", ""))


def rows() -> list[OutboxMessage]:
    db.session.rollback()
    found = db.session.scalars(db.select(OutboxMessage).where(OutboxMessage.channel == "logout"))
    return list(found)


def states() -> list[str]:
    return sorted(row.state for row in rows())


def other_portal(web: Flask, services: Services, slug: str, **changes: Any) -> RelyingParty:
    """Another portal that the person's account opens too."""
    secret = services.vault.mac("client-secret", PORTAL_SECRET)
    other = add_portal(slug, client_secret_hash=secret, **changes)
    link(services, other)
    return RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_the_logout_token_says_what_the_specification_asks_and_no_more(
    rp: RelyingParty, told: Portal, person: Person, server: PortalServer, courier: LogoutCourier, clock: FrozenClock,
    alg: str,
) -> None:  # fmt: skip
    told.id_token_signed_response_alg = alg
    db.session.commit()
    tokens = enter(rp, person)
    before = rp.claims(tokens["id_token"], alg)
    assert leave(person, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE) == BYE
    clock.advance(timedelta(seconds=5))
    assert courier.run_once() == 1
    (form,) = server.forms
    assert (form.pop(":path"), form.pop(":type")) == (["/out"], ["application/x-www-form-urlencoded"])
    assert set(form) == {"logout_token"}
    (token,) = form["logout_token"]
    header = jws.extract_compact(token.encode()).headers()
    assert set(header) == {"alg", "kid", "typ"}
    assert (header["alg"], header["typ"]) == (alg, "logout+jwt")
    claims, now = rp.claims(token, alg), int(clock.now().timestamp())
    assert claims == {
        "iss": ISSUER, "aud": rp.client_id, "iat": now, "exp": now + 120, "jti": claims["jti"],
        "events": {EVENT: {}}, "sub": before["sub"], "sid": before["sid"],
    }  # fmt: skip
    assert len(claims["jti"]) == 43
    assert states() == ["sent"]
    assert rows()[0].sealed_content is None


def test_a_logout_token_is_no_hint(
    rp: RelyingParty, told: Portal, person: Person, server: PortalServer, courier: LogoutCourier
) -> None:
    tokens = enter(rp, person)
    leave(person, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    courier.run_once()
    hint = server.forms[0]["logout_token"][0]
    assert leave(person, id_token_hint=hint, post_logout_redirect_uri=BYE) == ""


def test_every_portal_of_the_session_is_told_under_its_own_sub_and_sid(
    web: Flask, rp: RelyingParty, told: Portal, person: Person, services: Services, server: PortalServer,
    courier: LogoutCourier,
) -> None:  # fmt: skip
    second = other_portal(web, services, "fon", backchannel_logout_uri=server.url("/fon-out"))
    silent = other_portal(web, services, "sil")
    never = other_portal(web, services, "nev", backchannel_logout_uri=server.url("/nev-out"))
    server.pages["/fon-out"] = Page()
    known = {one.client_id: one.claims(enter(one, person)["id_token"]) for one in (rp, second, silent)}
    person.open("/logout")
    person.submit(extent="all")
    assert courier.run_once() == 2
    paths = {form[":path"][0]: form["logout_token"][0] for form in server.forms}
    assert set(paths) == {"/out", "/fon-out"}
    for one, path in ((rp, "/out"), (second, "/fon-out")):
        claims = one.claims(paths[path])
        assert {name: claims[name] for name in ("aud", "sub", "sid")} == {
            name: known[one.client_id][name] for name in ("aud", "sub", "sid")
        }
    assert never.client_id not in known


def test_who_leaves_one_portal_is_still_signed_in_at_the_others(
    web: Flask, rp: RelyingParty, told: Portal, person: Person, services: Services, server: PortalServer,
    courier: LogoutCourier,
) -> None:  # fmt: skip
    other = other_portal(web, services, "fon", backchannel_logout_uri=server.url("/fon-out"))
    enter(rp, person)
    enter(other, person)
    person.open(f"/logout?client_id={rp.client_id}")
    person.submit(extent="one")
    courier.run_once()
    assert [form[":path"] for form in server.forms] == [["/out"]]
    person.open(other.request(prompt="none"))
    assert "code" in answer_of(person.address)


def test_a_session_is_ended_once_and_its_portals_are_told_once(
    rp: RelyingParty, told: Portal, person: Person, services: Services
) -> None:
    hint = enter(rp, person)["id_token"]
    session = db.session.scalars(db.select(Session).where(Session.ended_at.is_(None))).one()
    assert [one.slug for one in services.sign_out.session(session)] == ["cpx"]
    db.session.commit()
    assert services.sign_out.session(session) == ()
    db.session.commit()
    leave(person, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert len(rows()) == 1


def test_an_end_that_is_rolled_back_tells_nobody(
    rp: RelyingParty, told: Portal, person: Person, services: Services
) -> None:
    enter(rp, person)
    services.sign_out.session(db.session.scalars(db.select(Session).where(Session.ended_at.is_(None))).one())
    db.session.rollback()
    assert rows() == []
    person.open(rp.request(prompt="none"))
    assert "code" in answer_of(person.address)


def test_every_session_of_an_account_is_ended_but_the_one_that_is_kept(
    web: Flask, rp: RelyingParty, told: Portal, person: Person, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    tokens = [enter(rp, person)]
    for _ in range(2):
        clock.advance(timedelta(minutes=3))
        again = Person(web)
        again.open(rp.request())
        sign_in(again)
        tokens.append(rp.redeem(answer_of(again.address)["code"]).get_json())
    stranger = register(web, services, portal, "paul@example.ch")
    untouched = enter(rp, stranger)
    account = services.accounts.find("helene@example.ch")
    assert account is not None
    kept = db.session.scalars(
        db.select(Session).where(Session.account_id == account.id).order_by(Session.auth_time.desc())
    ).first()
    assert services.sign_out.account(account.id, keep=kept) == 2
    db.session.commit()
    assert [rp.userinfo(one["access_token"]).status_code for one in tokens] == [401, 401, 200]
    assert len(rows()) == 2
    assert services.sign_out.account(account.id) == 1
    db.session.commit()
    assert rp.userinfo(tokens[2]["access_token"]).status_code == 401
    assert rp.userinfo(untouched["access_token"]).status_code == 200
    assert len(rows()) == 3


def test_a_portal_that_was_away_is_told_later_with_a_fresh_token(
    rp: RelyingParty, told: Portal, person: Person, server: PortalServer, courier: LogoutCourier, clock: FrozenClock
) -> None:
    server.pages["/out"] = Page(status=503)
    leave(person, id_token_hint=enter(rp, person)["id_token"], post_logout_redirect_uri=BYE)
    assert courier.run_once() == 1
    assert courier.run_once() == 0
    assert (states(), rows()[0].last_error) == (["waiting"], "status 503")
    clock.advance(timedelta(seconds=BACK_OFF[0]))
    server.pages["/out"] = Page(status=204)
    assert courier.run_once() == 1
    assert states() == ["sent"]
    first, second = (rp.claims(form["logout_token"][0]) for form in server.forms)
    assert second["iat"] == first["iat"] + BACK_OFF[0]
    assert second["jti"] != first["jti"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
def test_only_a_plain_yes_counts_and_a_portal_is_given_up_at_last(
    rp: RelyingParty, told: Portal, person: Person, server: PortalServer, courier: LogoutCourier, clock: FrozenClock,
    status: int,
) -> None:  # fmt: skip
    canary = Canary()
    server.pages["/out"] = Page(status=status, headers={"Location": f"https://localhost:{canary.port}/"})
    leave(person, id_token_hint=enter(rp, person)["id_token"], post_logout_redirect_uri=BYE)
    tries = 0
    while courier.run_once():
        tries += 1
        clock.advance(timedelta(seconds=max(BACK_OFF)))
        assert tries < 20
    assert states()[0] in {"dead", "expired"}
    assert 2 < tries <= len(BACK_OFF) + 1
    assert not canary.was_touched()
    canary.close()


def test_after_the_last_attempt_a_notice_is_dead(
    rp: RelyingParty, told: Portal, person: Person, server: PortalServer, courier: LogoutCourier, clock: FrozenClock
) -> None:
    server.pages["/out"] = Page(status=500)
    leave(person, id_token_hint=enter(rp, person)["id_token"], post_logout_redirect_uri=BYE)
    for wait in (*BACK_OFF, 0):
        assert courier.run_once() == 1
        clock.advance(timedelta(seconds=wait))
    assert (states(), rows()[0].sealed_content) == (["dead"], None)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1"])
def test_a_private_address_is_never_called(
    rp: RelyingParty, told: Portal, person: Person, courier: LogoutCourier, host: str
) -> None:
    canary = Canary()
    told.backchannel_logout_uri = f"https://{host}:{canary.port}/out"
    db.session.commit()
    leave(person, id_token_hint=enter(rp, person)["id_token"], post_logout_redirect_uri=BYE)
    courier.run_once()
    assert states() == ["dead"]
    assert not canary.was_touched()
    canary.close()


def test_a_portal_that_closed_or_no_longer_listens_is_dropped(
    rp: RelyingParty, told: Portal, person: Person, services: Services, courier: LogoutCourier, server: PortalServer
) -> None:
    leave(person, id_token_hint=enter(rp, person)["id_token"], post_logout_redirect_uri=BYE)
    told.backchannel_logout_uri = None
    db.session.commit()
    courier.run_once()
    assert (states(), server.forms) == (["dropped"], [])


def test_a_notice_that_is_too_old_is_not_sent(
    rp: RelyingParty, told: Portal, person: Person, courier: LogoutCourier, server: PortalServer, clock: FrozenClock
) -> None:
    leave(person, id_token_hint=enter(rp, person)["id_token"], post_logout_redirect_uri=BYE)
    clock.advance(timedelta(minutes=16))
    courier.run_once()
    assert (states(), server.forms) == (["expired"], [])


def test_a_courier_that_died_gives_its_notice_back(
    rp: RelyingParty, told: Portal, person: Person, courier: LogoutCourier, server: PortalServer, clock: FrozenClock
) -> None:
    leave(person, id_token_hint=enter(rp, person)["id_token"], post_logout_redirect_uri=BYE)
    (attempt,) = courier._take(5)
    assert (courier.run_once(), states()) == (0, ["sending"])
    clock.advance(timedelta(seconds=31))
    assert (courier.run_once(), states()) == (1, ["sent"])
    assert attempt.id == rows()[0].id


def test_a_portal_that_hangs_holds_up_no_other(
    web: Flask, rp: RelyingParty, told: Portal, person: Person, services: Services, server: PortalServer,
    at_work: None,
) -> None:  # fmt: skip
    hanging = threading.Event()
    server.pages["/hang"] = Page(b"x", trickle=lambda: bool(hanging.wait(20)) and None)
    slow = other_portal(web, services, "slo", backchannel_logout_uri=server.url("/hang"))
    enter(slow, person)
    enter(rp, person)
    begun = time.monotonic()
    person.open("/logout")
    person.submit(extent="all")
    spent = time.monotonic() - begun
    hanging.set()
    assert spent < 18  # before the slow portal lets go
    assert person.title == "Votre session est fermée."
    assert "Caisse SLO n’a pas répondu. Fermez votre navigateur pour terminer." in person.text
    assert "Caisse CPX" in person.text
    assert "Caisse CPX n’a pas répondu" not in person.text


def test_portals_that_answer_are_named_as_left_and_the_page_comes_at_once(
    rp: RelyingParty, told: Portal, person: Person, server: PortalServer, at_work: None
) -> None:
    enter(rp, person)
    person.open("/logout")
    person.submit(extent="all")
    assert len(server.forms) == 1
    assert "Caisse CPX" in person.text
    assert "pas répondu" not in person.text


def test_a_redirect_does_not_wait_for_portals_and_they_are_told_promptly(
    rp: RelyingParty, told: Portal, person: Person, server: PortalServer, at_work: None
) -> None:
    hint = enter(rp, person)["id_token"]
    assert leave(person, id_token_hint=hint, post_logout_redirect_uri=BYE) == BYE
    assert server.got_form.wait(3)


def test_a_notice_that_cannot_be_made_keeps_no_other_back(
    web: Flask, rp: RelyingParty, told: Portal, person: Person, services: Services, server: PortalServer
) -> None:
    other = other_portal(web, services, "fon", backchannel_logout_uri=server.url("/fon-out"))
    server.pages["/fon-out"] = Page()
    enter(rp, person)
    enter(other, person)
    person.open("/logout")
    address, fields = person.filled(extent="all")
    person.client.post(address, data=fields, base_url=ISSUER, headers={"Origin": ISSUER})
    broken = next(row for row in rows() if row.portal_id == told.id)
    broken.sealed_content = "broken"
    db.session.commit()
    stop = threading.Event()
    thread = threading.Thread(target=LogoutCourier(web).run_forever, args=(stop,))
    thread.start()
    assert server.got_form.wait(5)
    stop.set()
    thread.join(10)
    assert states() == ["sending", "sent"]


def test_the_mail_worker_leaves_notices_alone(web: Flask, rp: RelyingParty, told: Portal, person: Person) -> None:
    leave(person, id_token_hint=enter(rp, person)["id_token"], post_logout_redirect_uri=BYE)
    db.session.execute(db.delete(OutboxMessage).where(OutboxMessage.channel != "logout"))
    db.session.commit()
    assert Worker(web).run_once() == 0
    assert states() == ["waiting"]


def test_nothing_of_the_person_lies_open_in_the_outbox(rp: RelyingParty, told: Portal, person: Person) -> None:
    tokens = enter(rp, person)
    leave(person, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    claims = rp.claims(tokens["id_token"])
    stored = json.dumps([row.sealed_content for row in rows()])
    assert claims["sub"] not in stored
    assert claims["sid"] not in stored


def test_the_document_says_so(web: Flask) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True
    assert "frontchannel_logout_supported" not in document


def test_signing_in_again_as_the_same_person_ends_nothing_at_the_portals(
    rp: RelyingParty, told: Portal, person: Person, clock: FrozenClock
) -> None:
    before = enter(rp, person)
    clock.advance(timedelta(minutes=3))
    person.open(rp.request(prompt="login"))
    sign_in(person)
    after = rp.redeem(answer_of(person.address)["code"]).get_json()
    assert rows() == []
    assert rp.claims(after["id_token"])["sid"] == rp.claims(before["id_token"])["sid"]
    assert rp.claims(after["id_token"])["auth_time"] == rp.claims(before["id_token"])["auth_time"] + 180
    assert rp.userinfo(before["access_token"]).status_code == 200
    assert db.session.scalars(db.select(Session)).one().ended_at is None
    assert leave(person, id_token_hint=before["id_token"], post_logout_redirect_uri=BYE) == BYE
    assert len(rows()) == 1
    assert rp.userinfo(before["access_token"]).status_code == 401


def test_signing_in_as_somebody_else_ends_the_first_persons_session_and_tells_its_portals(
    web: Flask, rp: RelyingParty, told: Portal, person: Person, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    before = enter(rp, person)
    register(web, services, portal, "paul@example.ch", "079 765 43 21")
    clock.advance(timedelta(minutes=3))
    person.open(rp.request(prompt="login"))
    sign_in(person, "paul@example.ch")
    assert rp.userinfo(before["access_token"]).status_code == 401
    assert len(rows()) == 1
