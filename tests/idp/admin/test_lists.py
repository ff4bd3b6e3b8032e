"""The lists of the console: sorted by their heads, numbered, with a chip for each filter, page by page."""

from __future__ import annotations

import html
import re
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from idp.admin.codes import LISTING
from idp.clock import FrozenClock
from idp.models import total
from idp.models.base import db
from idp.models.keyset import PAGE
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.models.total import Exactness, Total, total_of
from idp.services.bundle import Services
from idp.services.person_lists import Ages
from idp.services.person_words import renew_words, sort_name
from tests.support.builders import add_person, add_portal
from tests.support.console import said
from tests.support.engines import POSTGRESQL
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person

EMAIL = "olga@fund.example.ch"
ROW = re.compile(r'<th scope="row"><a href="[^"]*">([^<]*)</a>')
CHIP = re.compile(r'<li><a href="([^"]*)">([^<]*) <span class="unseen">')
HEAD = re.compile(
    r'<th scope="col"(?: aria-sort="(\w+)")?><a class="sort" href="([^"]*)">([^<]*)<span class="unseen">(.*?)<'
)


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["superuser"])
    return sign_in(web, services, EMAIL)


def rows(olga: Person) -> list[str]:
    return [html.unescape(name) for name in ROW.findall(olga.text)]


def heads(olga: Person) -> dict[str, tuple[str, str, str]]:
    """Of each head: how the list is sorted by it, the address of its link, and what that says it does."""
    return {
        name.strip(): (state, html.unescape(address), words) for state, address, name, words in HEAD.findall(olga.text)
    }


def sort_by(olga: Person, head: str) -> None:
    olga.open(olga.address.split("?")[0] + heads(olga)[head][1])


def follow(olga: Person, words: str) -> None:
    (address,) = re.findall(rf'<a href="(\?[^"]*)">{words}</a>', olga.text)
    olga.open(olga.address.split("?")[0] + html.unescape(address))


def chips(olga: Person) -> dict[str, str]:
    return {html.unescape(words): html.unescape(address) for address, words in CHIP.findall(olga.text)}


@pytest.mark.no_database
def test_names_are_sorted_without_case_accents_and_blanks() -> None:
    names = [
        ("Zoé", "Müller"),
        ("anna", "MULLER"),
        ("Łucja", "de la Rue"),
        ("Ève", "Delarue"),
        ("", ""),
        ("Bo", "Ärni"),
    ]
    ordered = sorted(names, key=lambda name: sort_name(*name))
    assert ordered == [("", ""), ("Bo", "Ärni"), ("Ève", "Delarue"), ("Łucja", "de la Rue"), ("anna", "MULLER"),
                       ("Zoé", "Müller")]  # fmt: skip


def test_a_head_sorts_by_name_and_then_the_other_way_and_says_so(portal: Portal, olga: Person) -> None:
    for number, name in enumerate(("Émery", "zürcher", "Aebi", "Ÿsaye")):
        add_person(portal, f"P-{number}", family_name=name, given_name="", id=UUID(int=number + 1))
    olga.open("/admin/persons")
    assert rows(olga) == ["Ÿsaye", "Aebi", "zürcher", "Émery"]
    assert {name: (state, words) for name, (state, _, words) in heads(olga).items()} == {
        "Nom": ("", "trier de A à Z"), "Enregistré le": ("descending", "trier du plus ancien au plus récent"),
    }  # fmt: skip
    sort_by(olga, "Nom")
    assert rows(olga) == ["Aebi", "Émery", "Ÿsaye", "zürcher"]
    assert heads(olga)["Nom"][::2] == ("ascending", "trier de Z à A")
    assert heads(olga)["Enregistré le"][::2] == ("", "trier du plus récent au plus ancien")
    sort_by(olga, "Nom")
    assert rows(olga) == ["zürcher", "Ÿsaye", "Émery", "Aebi"]
    assert heads(olga)["Nom"][0] == "descending"
    sort_by(olga, "Enregistré le")
    assert "sort=" not in olga.address
    sort_by(olga, "Enregistré le")
    assert rows(olga) == ["Émery", "zürcher", "Aebi", "Ÿsaye"]


def test_sorted_pages_follow_each_other_over_all_portals_with_filter_and_search(portal: Portal, olga: Person) -> None:
    other = add_portal("fon")
    names = [f"Müller {chr(97 + at % 26)}{at:02}" for at in range(PAGE + 7)]
    for at, name in enumerate(names):
        add_person(portal if at % 2 else other, f"P-{at}", family_name=name, given_name="", language="de")
    add_person(portal, "french", family_name="Müller a", given_name="")
    add_person(portal, "another", family_name="Rochat", given_name="", language="de")
    wanted = sorted(names, key=lambda name: sort_name("", name))
    olga.open("/admin/persons?language=de&sort=name")
    olga.submit(1, q="muller")
    assert heads(olga)["Nom"][0] == "ascending"
    assert rows(olga) == wanted[:PAGE]
    assert f"{len(names)} au total" in said(olga)
    follow(olga, "Page suivante")
    assert rows(olga) == wanted[PAGE:]
    assert 'value="muller"' in olga.text
    assert "uller" not in olga.address
    follow(olga, "Page précédente")
    assert rows(olga) == wanted[:PAGE]
    sort_by(olga, "Nom")
    assert rows(olga) == wanted[: -PAGE - 1 : -1]


def test_a_page_goes_on_behind_nobody_of_another_fund(web: Flask, services: Services, portal: Portal) -> None:
    stranger = add_person(add_portal("fon"), "F-1", family_name="Meier")
    for name in ("Aebi", "Zbinden"):
        add_person(portal, name, family_name=name)
    add_operator(services, EMAIL, ["support@cpx"])
    olga = sign_in(web, services, EMAIL)
    olga.open(f"/admin/persons?sort=name&before={stranger.id}")
    assert rows(olga) == ["H. Aebi", "H. Zbinden"]


def test_a_chip_takes_away_its_own_filter_and_leaves_the_others(portal: Portal, olga: Person) -> None:
    add_person(portal, "P-1", family_name="Rochat", birth_date=date(1940, 1, 1))
    olga.open("/admin/persons")
    assert not chips(olga)
    olga.open("/admin/persons?portal=cpx&language=fr&ages=80-199&sort=name")
    olga.submit(1, q="roch")
    assert rows(olga) == ["H. Rochat"]
    found = chips(olga)
    assert list(found) == ["Recherche: roch", "Portail: Caisse CPX", "Langue: Français", "Âge: 80 ans et plus"]
    olga.open(f"/admin/persons{found['Langue: Français']}")
    assert list(chips(olga)) == ["Recherche: roch", "Portail: Caisse CPX", "Âge: 80 ans et plus"]
    olga.open(f"/admin/persons{chips(olga)['Recherche: roch']}")
    assert list(chips(olga)) == ["Portail: Caisse CPX", "Âge: 80 ans et plus"]
    assert 'value="roch"' not in olga.text
    assert heads(olga)["Nom"][0] == "ascending"
    olga.open("/admin/audit?person=P-1&from=2026-01-01")
    assert list(chips(olga)) == ["Personne: P-1", "Du: 2026-01-01"]


def test_language_and_age_tell_persons_apart_on_their_birthday(
    portal: Portal, clock: FrozenClock, olga: Person
) -> None:
    today = clock.now().date()
    for age in (39, 40, 64, 65, 79, 80):
        birthday = today.replace(year=today.year - age)
        add_person(portal, f"{age}", family_name=f"n{age}", given_name="", birth_date=birthday)
        eve = birthday + timedelta(days=1)
        add_person(portal, f"{age}-", family_name=f"u{age}", given_name="", birth_date=eve, language="it")
    wanted = {
        Ages.YOUNG: {"n39", "u39", "u40"}, Ages.MIDDLE: {"n40", "n64", "u64", "u65"},
        Ages.RETIRED: {"n65", "n79", "u79", "u80"}, Ages.OLD: {"n80"},
    }  # fmt: skip
    for ages, names in wanted.items():
        olga.open(f"/admin/persons?ages={ages}")
        assert set(rows(olga)) == names, ages
        olga.open(f"/admin/persons?ages={ages}&language=it")
        assert set(rows(olga)) == {name for name in names if name.startswith("u")}, ages


def test_codes_are_sorted_by_their_end_over_all_portals(
    services: Services, portal: Portal, clock: FrozenClock, olga: Person
) -> None:
    other = add_portal("fon")
    for at in range(PAGE + 2):
        where = portal if at % 2 else other
        services.registration_codes.issue(add_person(where, f"P-{at}", family_name=f"Nr {at}", given_name=""), where)
    db.session.commit()
    codes = db.session.scalars(select(RegistrationCode).order_by(RegistrationCode.id)).all()
    for at, code in enumerate(codes):
        code.expires_at = clock.now() + timedelta(days=at * 7 % len(codes))
    db.session.commit()
    wanted = [code.person.family_name for code in sorted(codes, key=lambda code: code.expires_at)]
    olga.open("/admin/codes?state=issued&sort=until")
    names = re.compile(r'<a href="/admin/persons/[^"]*">([^<]*)</a>')
    first = names.findall(olga.text)
    assert f"{len(codes) - 1} au total" in said(olga)  # the first one has ended this very moment
    follow(olga, "Page suivante")
    assert [*first, *names.findall(olga.text)] == wanted[1:]
    sort_by(olga, "Valable jusqu’au")
    assert names.findall(olga.text) == wanted[: -PAGE - 1 : -1]


def test_portals_are_sorted_by_name_in_the_language_of_the_page(portal: Portal, olga: Person) -> None:
    add_portal("abc", names={"fr": "Zurich", "de": "Aarau", "it": "Z", "en": "Z"})
    olga.open("/admin/portals")
    assert rows(olga) == ["Zurich", "Caisse CPX"]
    sort_by(olga, "Nom")
    assert rows(olga) == ["Caisse CPX", "Zurich"]
    olga.open("/admin/portals?sort=-slug")
    assert rows(olga) == ["Caisse CPX", "Zurich"]
    assert "2 au total" in said(olga)


@pytest.mark.parametrize("name", ["letters", "imports", "messages", "audit", "codes"])
def test_every_list_is_told_from_its_oldest_too(portal: Portal, olga: Person, name: str) -> None:
    if name == "audit":  # has rows
        olga.open(f"/admin/{name}")
        (head,) = heads(olga)
        assert heads(olga)[head][0] == "descending"
        sort_by(olga, head)
        assert heads(olga)[head][0] == "ascending"
    for way in ("?sort=x", "?sort=-", f"?sort=until&before={uuid4()}", f"?after={uuid4()}&portal=x"):
        olga.open(f"/admin/{name}{way}")
        assert olga.page.status_code == 200


def test_what_a_list_is_asked_for_is_told_without_page_and_search(web: Flask) -> None:
    with web.test_request_context(f"/admin/codes?state=issued&portal=&sort=-until&before={uuid4()}&kept=x&lang=de"):
        asked = LISTING.asked()
        assert (asked.name, asked.query) == ("codes", "state=issued&sort=-until")
    with web.test_request_context("/admin/codes?sort=-printed"):
        assert LISTING.asked().query == ""


def test_many_rows_are_estimated_and_few_are_counted(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, olga: Person
) -> None:
    monkeypatch.setattr(total, "COUNTED", 12)
    is_postgresql = db.engine.dialect.name == POSTGRESQL
    for at in range(12):
        add_person(portal, f"P-{at}")
    everybody = select(InsuredPerson).where(InsuredPerson.portal_id == portal.id)
    assert total_of(everybody) == Total(12)
    for at in range(12, 25):
        add_person(portal, f"P-{at}")
    db.session.commit()
    if is_postgresql:
        db.session.execute(text("ANALYZE insured_person"))
        db.session.commit()
    assert total_of(everybody) == (Total(25, Exactness.ABOUT) if is_postgresql else Total(12, Exactness.MORE))
    olga.open("/admin/persons")
    assert ("environ 25" if is_postgresql else "plus de 12") in said(olga)


@pytest.mark.no_database
@pytest.mark.parametrize(
    ("count", "shown"), [(7, 7), (99, 99), (12_449, 12_000), (704_999, 700_000), (995_000, 1_000_000)]
)
def test_an_estimate_is_told_by_two_digits(count: int, shown: int) -> None:
    assert total._rounded(count) == shown


def test_who_has_no_name_in_the_record_is_sorted_by_the_name_of_the_account(portal: Portal, olga: Person) -> None:
    record = add_person(portal, "P-1", given_name="", family_name="")
    assert record.sort_name == ""
    account = db.session.execute(text("SELECT id FROM account")).scalar_one()
    db.session.execute(update(InsuredPerson).values(account_id=UUID(str(account))))
    renew_words([record.id])
    db.session.commit()
    assert db.session.scalar(select(InsuredPerson.sort_name)) == "olga olga"
