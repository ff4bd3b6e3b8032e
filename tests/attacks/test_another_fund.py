"""C-74: whatever another fund has is as what does not exist, byte for byte, wherever the console or the API is asked.

Generated from the URL map: each address is asked with what another fund has, and with what nobody has. The two answers
are the same but for what is new in every answer.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from itertools import product
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from idp.models.base import db
from idp.models.letter_batch import BatchState
from idp.models.person_import import ImportToken
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter
from idp.models.saved_view import views_of
from idp.services.bundle import Services
from idp.services.code_changes import CodeAction, CodeState
from idp.services.letter_references import make_reference, show_reference
from idp.services.lists import Listing
from idp.services.permissions import Role
from idp.services.webhook_events import WebhookEvent
from tests.attacks.test_role_matrix import OPEN
from tests.support import persons_file
from tests.support.api import System
from tests.support.batches import in_state, letters_of, set_quickly
from tests.support.builders import add_person, add_portal
from tests.support.letters import ask as ask_for_letter
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person
from tests.support.walks import add_account

pytestmark = pytest.mark.sqlite_only  # the same statements decide on both engines

OLGA, CARLA = "olga@fund.example.ch", UUID(int=7)
NEW_EACH_TIME = re.compile(
    r"[0-9A-Z]{4}-[0-9A-Z]{4}\b"  # the reference of an error
    r'|(?<=name="csrf_token" value=")[^"]+|(?<=name="nonce" value=")[^"]+'
    r'|(?<=name="kept" value=")[^"]+|(?<=kept=)[^"&#]+'
)
HEADERS = {"X-Request-Id", "Date", "Set-Cookie", "Content-Length"}
# Of no portal: an operator who holds no role at all portals is refused whatever is asked for.
OF_THE_INSTALLATION = {"account_id", "client_id"}
Things = dict[str, str]


def furnished(app: Flask, services: Services, portal: Portal, family: str) -> Things:
    """One of everything that an address can name, at this portal."""
    slug = portal.slug
    person = add_person(portal, f"X-{slug}", family_name=family, insured_number=f"N-{slug}")
    batch = in_state(app, services, portal, BatchState.POSTED)
    letter = letters_of(batch)[0]
    account = add_account(services, portal, f"{slug}@example.ch", number=f"+4179{portal.id.int % 10**7:07}")
    ask_for_letter(services, account, portal)
    pile = services.recovery_prints.set(portal, CARLA)
    until = services.code_changes.day_in(60)
    change = services.code_changes.change_all(portal, CodeAction.EXTEND, CodeState.ISSUED, until, CARLA)
    row = services.import_jobs.receive(portal, "persons.csv", persons_file.file(persons_file.row()), "console", CARLA)
    assert services.import_jobs.make_token(portal, CARLA)
    token = db.session.scalars(select(ImportToken).where(ImportToken.portal_id == portal.id)).one()
    hook, _ = services.webhooks.add(portal, f"https://{slug}.example.ch/h", list(map(str, WebhookEvent)))
    delivery = services.webhooks.test(hook, portal)
    client, _ = services.api_clients.add(f"System {slug}", ["persons:read"], slug)
    recovery = db.session.scalars(select(RecoveryLetter).where(RecoveryLetter.portal_id == portal.id)).one()
    assert pile is not None
    assert change is not None
    db.session.commit()
    return {
        "slug": slug, "external_id": person.external_id, "client_id": client.client_id,
        "reference": show_reference(letter.reference), "account_id": str(account.id), "person_id": str(person.id),
        "batch_id": str(batch.id), "code_id": str(letter.code_id), "change_id": str(change.id),
        "letter_id": str(recovery.id), "print_id": str(pile.id), "import_id": str(row.id), "token_id": str(token.id),
        "webhook_id": str(hook.id), "delivery_id": str(delivery),
    }  # fmt: skip


def nobodys() -> Things:
    """What an address could name as well, and nobody has."""
    ids = ("account_id", "person_id", "batch_id", "code_id", "change_id", "letter_id", "print_id", "import_id",
           "token_id", "webhook_id", "delivery_id", "export_id", "view_id")  # fmt: skip
    return {
        "slug": "nirgends", "external_id": "X-nirgends", "client_id": "cc_api_nirgends",
        "reference": show_reference(make_reference("ZZZZ", 9999)),
        **{name: str(uuid4()) for name in ids},
    }  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    set_quickly(monkeypatch)


@pytest.fixture
def mine(app: Flask, services: Services, portal: Portal, quick: None) -> Things:
    return furnished(app, services, portal, "Eigen")


@pytest.fixture
def theirs(app: Flask, services: Services, mine: Things) -> Things:
    things = furnished(app, services, add_portal("geheim", names={"fr": "Fondation Secrète"}), "Heimlich")
    other = add_operator(services, "hans@fund.example.ch", [f"{role}@geheim" for role in Role])
    return things | of_operator(services, other, "Heimlich gesehen")


@pytest.fixture
def olga(web: Flask, services: Services, mine: Things) -> Person:
    """She holds every role at her own fund."""
    ident = add_operator(services, OLGA, [f"{role}@cpx" for role in Role])
    mine |= of_operator(services, ident, "Eigens gesehen")
    return sign_in(web, services, OLGA)


def of_operator(services: Services, ident: UUID, name: str) -> Things:
    """What belongs to one operator and to nobody else."""
    counts = services.list_exports.counts(Listing.PERSONS, {}, services.operators.rights(ident))
    export = services.list_exports.begin(Listing.PERSONS, {}, counts, by=ident, reason="compare", language="fr")
    assert export is not None
    assert services.saved_views.keep(ident, Listing.PERSONS, {"status": "invited"}, name) is None
    db.session.commit()
    (view,) = views_of(ident)
    return {"export_id": str(export.id), "view_id": str(view.id)}


def rules(web: Flask, below: str) -> Iterator[tuple[Rule, str]]:
    for rule in web.url_map.iter_rules():
        view = web.view_functions[rule.endpoint]
        if rule.rule.startswith(below) and f"{view.__module__}.{view.__name__}" not in OPEN:
            for method in sorted((rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}):
                yield rule, method


def filled(rule: Rule, things: Things) -> str:
    address = rule.rule
    for name in named(rule):
        address = re.sub(f"<(uuid:|path:)?{name}>", things[name], address)
    assert "<" not in address, rule
    return address


def named(rule: Rule) -> list[str]:
    return re.findall(r"<(?:\w+:)?(\w+)>", rule.rule)


def mixed(rule: Rule, mine: Things, theirs: Things) -> Iterator[Things]:
    """Every way to name what one has beside what another has; all of it one's own is left out."""
    names = named(rule)
    for foreign in product((False, True), repeat=len(names)):
        if any(foreign):
            yield mine | {name: theirs[name] for name, is_theirs in zip(names, foreign, strict=True) if is_theirs}


def same(answer: TestResponse, asked: Things, mine: Things) -> tuple[int, str, dict[str, str]]:
    """The answer without what is new each time, and with one word for whatever was asked for."""
    words = answer.get_data(as_text=True)
    told = {name: value for name, value in answer.headers.items() if name not in HEADERS}
    for name, value in asked.items():
        if value != mine[name]:
            words = words.replace(value, f"[{name}]").replace(f"…{value[-6:]}", f"…[{name}]")
            told = {header: said.replace(value, f"[{name}]") for header, said in told.items()}
    told = {header: NEW_EACH_TIME.sub("", said) for header, said in told.items()}
    return answer.status_code, NEW_EACH_TIME.sub("", words), told


def ask(person: Person, method: str, address: str, fields: Things | None = None) -> TestResponse:
    data = {**person.filled()[1], "nonce": secrets.token_urlsafe(16), **(fields or {})} if method == "POST" else None
    return person.client.open(address, method=method, data=data, base_url=ISSUER, headers={"Origin": ISSUER})


def test_whatever_an_address_of_the_console_names(web: Flask, olga: Person, mine: Things, theirs: Things) -> None:
    none, seen = nobodys(), set[str]()
    for rule, method in rules(web, "/admin"):
        assert set(named(rule)) <= set(mine), "an address names something that `furnished` does not make"
        for other, nothing in zip(mixed(rule, mine, theirs), mixed(rule, mine, none), strict=True):
            answers = [ask(olga, method, filled(rule, things)) for things in (other, nothing)]
            first, second = (same(one, things, mine) for one, things in zip(answers, (other, nothing), strict=True))
            assert first == second, (rule.rule, method)
            of_nobody = OF_THE_INSTALLATION & set(named(rule))
            assert first[0] == (403 if of_nobody or first[0] == 403 else 404), (rule.rule, method)
            seen.update(named(rule))
    assert seen >= set(mine) - {"external_id", "reference"}


def test_one_finds_what_is_ones_own(web: Flask, olga: Person, mine: Things) -> None:
    """Else the addresses would be alike because nothing is there at all."""
    found = set[str]()
    for rule, method in rules(web, "/admin"):
        if method == "GET" and named(rule) and ask(olga, "GET", filled(rule, mine)).status_code != 404:
            found.update(named(rule))
    assert found >= set(mine) - {"external_id", "reference", "delivery_id"}


def test_whatever_a_form_or_a_filter_names(web: Flask, olga: Person, mine: Things, theirs: Things) -> None:
    """Each entry that names a portal, a person, a letter or a batch, at every address without such a name."""
    none = nobodys()
    for rule, method in rules(web, "/admin"):
        if named(rule):
            continue
        answers = []
        for things in (theirs, none):
            typed = entries(things)
            if method == "GET":
                answer = olga.client.get(rule.rule, query_string=typed, base_url=ISSUER)
            else:
                answer = ask(olga, "POST", rule.rule, typed)
                if answer.status_code == 303:  # what it leads to shows what was typed
                    olga.open(answer.headers["Location"])
                    answer = olga.page
                    olga.open("/admin")
            answers.append(same(answer, things, mine))
        assert answers[0] == answers[1], (rule.rule, method)
        assert answers[0][0] < 500, (rule.rule, method)


def entries(things: Things) -> dict[str, str]:
    return {
        "portal": things["slug"], "slug": things["slug"], "person": things["external_id"], "who": things["account_id"],
        "q": things["reference"], "batch": things["batch_id"],
        "letters": things["reference"], "reason": "moved", "kind": "never", "state": "issued", "days": "14",
        "url": "https://cpx.example.ch/h", "events_0": "yes", "email": "x@example.ch",
    }  # fmt: skip


def test_no_page_of_ones_own_shows_anything_of_another_fund(
    web: Flask, olga: Person, mine: Things, theirs: Things
) -> None:
    hidden = {"Secrète", "Heimlich", "geheim", *theirs.values()}
    for rule, method in rules(web, "/admin"):
        if method == "GET":
            answer = ask(olga, "GET", filled(rule, mine))
            shown = answer.get_data(as_text=True)
            assert answer.status_code < 500, rule.rule
            assert not [word for word in hidden if word in shown], rule.rule


def test_whatever_an_address_of_the_interface_names(
    web: Flask, services: Services, mine: Things, theirs: Things
) -> None:
    none, system, seen = nobodys(), System(web, services, "cpx"), set[str]()
    for rule, method in rules(web, "/api/v1"):
        for other, nothing in zip(mixed(rule, mine, theirs), mixed(rule, mine, none), strict=True):
            answers = []
            for things in (other, nothing):
                answer = web.test_client().open(
                    filled(rule, things), method=method, base_url=ISSUER,
                    headers={"Authorization": f"Bearer {system.token}"},
                )  # fmt: skip
                answers.append(same(answer, things, mine))
            assert answers[0] == answers[1], (rule.rule, method)
            assert answers[0][0] < 500, (rule.rule, method)
            seen.update(named(rule))
    assert seen >= {"slug", "external_id", "webhook_id", "delivery_id"}


def test_whatever_the_feed_of_imports_names(
    web: Flask, services: Services, portal: Portal, mine: Things, theirs: Things
) -> None:
    services.import_jobs.end_token(portal, UUID(mine["token_id"]))
    secret = services.import_jobs.make_token(portal, CARLA)
    db.session.commit()
    none = nobodys()
    for rule, method in rules(web, "/api/imports"):
        for other, nothing in zip(mixed(rule, mine, theirs), mixed(rule, mine, none), strict=True):
            answers = []
            for things in (other, nothing):
                answer = web.test_client().open(
                    filled(rule, things), method=method, base_url=ISSUER, headers={"Authorization": f"Bearer {secret}"}
                )
                answers.append(same(answer, things, mine))
            assert answers[0] == answers[1], (rule.rule, method)
            assert answers[0][0] < 500, (rule.rule, method)
