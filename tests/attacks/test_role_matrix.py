"""F-35, C-75, C-76: every address of the console × every role × everywhere, one portal, none; persons and strangers.

Generated from the URL map and from the table of permissions; what the table does not allow is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from idp.admin.entrance import NEEDS
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.permissions import GRANTS, Permission, Role
from tests.support.builders import add_portal
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person

# The door itself, and the way in for somebody who is invited.
OPEN = {
    "idp.admin.sign_in.show", "idp.admin.sign_in.sign_in", "idp.admin.sign_in.sign_out", "idp.admin.invitation.enter",
    "idp.admin.invitation.check", "idp.admin.invitation.show", "idp.admin.invitation.accept",
}  # fmt: skip
NOBODY = "00000000-0000-7000-8000-000000000000"


def console(web: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every rule below /admin, one of its methods, and the name of its view."""
    for rule in web.url_map.iter_rules():
        if rule.rule.split("/")[1] == "admin":
            view = web.view_functions[rule.endpoint]
            for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}:
                yield rule, method, f"{view.__module__}.{view.__name__}"


def ask(person: Person, rule: Rule, method: str, slug: str = "cpx") -> int:
    """The status of the answer to an operator who has the token of this browser and sends nothing else."""
    return answer(person, rule, method, slug).status_code


def answer(person: Person, rule: Rule, method: str, slug: str) -> TestResponse:
    address = rule.rule
    for name in rule.arguments:
        address = address.replace(f"<uuid:{name}>", NOBODY).replace(f"<{name}>", slug)
    assert "<" not in address, rule
    fields = person.filled()[1]
    return person.client.open(
        address, method=method, data=fields if method != "GET" else None, base_url=ISSUER, headers={"Origin": ISSUER}
    )


def test_every_view_of_the_console_says_what_it_needs(web: Flask) -> None:
    views = {view for _, _, view in console(web)}
    assert views == OPEN | set(NEEDS)
    assert set(GRANTS) == set(Permission)
    assert all(Role.SUPERUSER in roles for roles in GRANTS.values())


@pytest.mark.parametrize("place", ["", "@cpx"])
@pytest.mark.parametrize("role", list(Role))
def test_the_table_decides_and_nothing_else(
    web: Flask, services: Services, portal: Portal, role: Role, place: str
) -> None:
    add_operator(services, "olga@fund.example.ch", [f"{role}{place}"])
    person = sign_in(web, services, "olga@fund.example.ch")
    seen = set()
    for rule, method, view in console(web):
        if view in OPEN:
            continue
        need = NEEDS[view]
        is_allowed = role in GRANTS[need.permission] and not (need.everywhere and place)
        status = ask(person, rule, method)
        assert (status != 403) == is_allowed, (rule.rule, method, role, place, status)
        assert status not in {401, 500}
        seen.add(is_allowed)
    assert True in seen


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SUPERUSER])
def test_the_portal_of_another_fund_is_as_one_that_does_not_exist(
    web: Flask, services: Services, portal: Portal, role: Role
) -> None:
    """C-74: the same status and the same words, whatever is asked."""
    add_portal("geheim", names={"fr": "Fondation Secrète"})
    add_operator(services, "olga@fund.example.ch", [f"{role}@cpx"])
    person = sign_in(web, services, "olga@fund.example.ch")
    asked = 0
    for rule, method, view in console(web):
        if view in OPEN:
            continue
        if "slug" not in rule.arguments:
            assert "Secrète" not in answer(person, rule, method, "cpx").get_data(as_text=True)
            continue
        other, none = (answer(person, rule, method, slug) for slug in ("geheim", "nirgends"))
        may = role in GRANTS[NEEDS[view].permission] and not NEEDS[view].everywhere
        assert other.status_code == none.status_code == (404 if may else 403), (rule.rule, method)
        assert words(other).replace("geheim", "nirgends") == words(none), (rule.rule, method)
        asked += 1
    assert asked > 10


def words(page: TestResponse) -> str:
    """What differs between any two pages of an error is taken out: its reference."""
    return re.sub(r"[0-9A-Z]{4}-[0-9A-Z]{4}", "", page.get_data(as_text=True))


def test_persons_and_strangers_are_led_to_the_door(web: Flask, person: Person) -> None:
    stranger = Person(web)
    stranger.open("/admin/login")
    person.open("/cpx/register/code")
    for rule, method, view in console(web):
        if view not in OPEN:
            assert ask(stranger, rule, method) == 303, rule
            assert ask(person, rule, method) == 303, rule
