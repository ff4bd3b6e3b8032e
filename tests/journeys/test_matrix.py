"""Every step of every journey × everything a clumsy or unlucky person does there (ux.md §3.3; U14, U15).

Generated from flows/journeys.py: a new step is walked by itself, and a new journey too. The promises are the same
everywhere: the right page, one way out, nothing sent twice, no entry lost, the letter's code still good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from flows.journeys import JOURNEYS
from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.flow import AttemptCounter
from idp.models.person import RegistrationCode
from idp.services.bundle import Services
from tests.support.builders import add_portal
from tests.support.fingerprint import changes, fingerprint
from tests.support.person import ISSUER, Person, newest_code
from tests.support.walks import DONE, PASSWORD, VARIANTS, Variant, World, app_code, cells, sent, walked

pytestmark = pytest.mark.generated

Case = Callable[[Variant], World]
ONCE = "submission"  # the table that tells a double click


@pytest.fixture
def case(web: Flask, services: Services, clock: FrozenClock) -> Case:
    """Makes a new world; each has its own person, letter, address and number, an hour apart."""
    portal, numbers = add_portal(initiate_login_uri=None), count(1)
    add_portal("home")

    def make(variant: Variant) -> World:
        clock.advance(timedelta(hours=1))
        return World(web, services, clock, portal, variant, next(numbers))

    return make


@contextmanager
def at(variant: Variant, step: str) -> Iterator[None]:
    """Name the cell where an assertion fails."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in {variant} at {step}")
        raise


def each(case: Case, act: Callable[[World, str], None], of: str = "") -> None:
    """Walk to every step of every journey, or of one, do this there, and finish as if nothing had been."""
    for variant, step in cells(act.__name__, walked()):
        if of not in {"", variant.journey.name}:
            continue
        with at(variant, step.name):
            world = case(variant)
            world.walk_to(step.name)
            act(world, step.name)


def shown(person: Person) -> tuple[int, str, str]:
    return person.page.status_code, person.title, person.address


def ways_out(person: Person) -> list[str]:
    """The addresses of the big buttons of a page without a form."""
    return re.findall(r'<a class="button" href="([^"]*)"', person.text)


def counters() -> dict[str, int]:
    db.session.rollback()
    return {row.subject: row.spent for row in db.session.scalars(select(AttemptCounter))}


def test_the_matrix_covers_every_journey_and_both_factors() -> None:
    assert sum(len(variant.stops()) for variant in VARIANTS) >= 16
    assert {variant.journey.name for variant in VARIANTS} == {*JOURNEYS} - {"consent"}


def test_reload_changes_nothing(case: Case) -> None:
    def reload(world: World, step: str) -> None:
        before, held, mails = shown(world.person), fingerprint(), sent()
        for _ in range(3):
            world.person.open(world.person.address)
            assert shown(world.person) == before
        assert changes(held, fingerprint()) == {}
        assert sent() == mails
        world.finish(step)

    each(case, reload)


def test_back_shows_the_earlier_step_filled_in_and_the_same_answer_leads_forward_again(case: Case) -> None:
    def back(world: World, step: str) -> None:
        stops = world.variant.stops()
        names = [stop.name for stop in stops]
        mails = sent()
        for earlier in stops[: names.index(step)]:
            here = world.path(step)
            world.person.open(world.path(earlier.name))
            assert world.person.page.status_code == 200
            if earlier.once_proved:
                assert world.is_at(earlier.once_proved) or shown(world.person)[2] == here
                continue
            assert world.is_at(earlier.name)
            answer = {name: value for name, value in world.right(earlier.name).items() if name not in earlier.keeps}
            if earlier.name == "details":
                del answer["password"]  # kept as a hash: it need not be typed again
            world.person.submit(**answer)
            assert shown(world.person)[::2] == (200, here), world.person.title
        assert sent() == mails
        world.person.open(world.path(step))
        world.finish(step)

    each(case, back)


def test_the_back_link_leads_to_a_page(case: Case) -> None:
    def follow(world: World, step: str) -> None:
        found = re.search(r'class="back" href="([^"]*)"', world.person.text)
        assert found
        other = Person(world.web)
        other.client = world.person.client
        other.open(found[1])
        assert other.page.status_code == 200 or other.address == world.portal.home_url
        assert other.address.split("#")[0] != world.person.address
        world.person.open(world.person.address)
        world.finish(step)

    each(case, follow)


def test_a_double_click_is_judged_and_sends_once(case: Case) -> None:
    def double_click(world: World, step: str) -> None:
        filled, mails = world.person.filled(**world.right(step)), sent()
        first, _ = world.person.post(filled)
        after, spent = sent(), counters()
        second, address = world.person.post(filled)
        assert first.status_code == second.status_code == 303
        assert sent() == after <= mails + 2  # a new number is told by mail and to the old number
        assert counters() == spent
        world.person._arrive(second, address)
        if is_last(world, step):
            assert world.person.page.status_code == 200
        else:
            assert world.is_at(next_step(world, step))
            world.finish(next_step(world, step))

    each(case, double_click)


def test_two_tabs_of_one_walk_never_disturb_each_other(case: Case) -> None:
    def second_tab(world: World, step: str) -> None:
        old_tab = world.person.filled(**world.right(step))
        world.person.open(world.person.address)
        world.answer(step)
        after, place = sent(), shown(world.person)
        other = Person(world.web)
        other.client = world.person.client
        other._arrive(*other.post(old_tab))
        assert other.page.status_code == 200 or world.is_finished()
        assert 'class="error"' not in other.text
        assert sent() == after
        if is_last(world, step):
            return
        assert shown(other)[::2] == place[::2]
        world.finish(next_step(world, step))

    each(case, second_tab)


def test_another_browser_with_the_same_address_begins_an_own_empty_walk(case: Case) -> None:
    def stranger(world: World, step: str) -> None:
        held = world.answered()
        for visits in (0, 1):
            other = Person(world.web)
            if visits:
                other.open("/")
                other.open(f"/{world.portal.slug}/login")
            other.open(world.person.address)
            assert other.page.status_code == 200
            assert other.address.split("?")[0] == f"/{world.portal.slug}/{world.entrance}"
            assert world.handle not in other.address
            assert world.email not in other.text
            filled = other.filled(**world.right(step))
            forged = (world.person.address, filled[1])
            assert other.post(forged)[0].status_code == 303
        assert world.answered() == held
        world.person.open(world.person.address)
        world.finish(step)

    each(case, stranger)


@pytest.mark.parametrize("span", [timedelta(minutes=31), timedelta(hours=25), timedelta(days=31)], ids=str)
def test_an_expired_walk_says_so_and_has_one_way_out(case: Case, span: timedelta) -> None:
    def expire(world: World, step: str) -> None:
        form = world.person.filled(**world.right(step))
        world.clock.advance(span)
        idle_for = world.variant.journey.idle_for(world.services.settings)
        mails = sent()
        other = Person(world.web)
        other.client = world.person.client
        if span < idle_for:
            world.person.open(world.person.address)
            return
        if world.variant.journey.is_own:
            begins_again_with_its_entries(world, step, form)
            return
        is_login = not world.has_letter
        for reach in (lambda: other.open(world.person.address), lambda: other._arrive(*other.post(form))):
            reach()
            assert other.page.status_code == 410
            assert other.title == (
                "La page de connexion a expiré" if is_login else "Votre inscription est restée ouverte trop longtemps"
            )
            assert len(ways_out(other)) == 1
        is_code_over = not is_login and step != "registration_code" and span > timedelta(days=30)
        assert ("Ce code a expiré le" in other.text) == is_code_over
        assert ("votre code est toujours valable" in other.text) == (not is_login and not is_code_over)
        assert sent() == mails
        other.open(ways_out(other)[0])
        assert other.page.status_code == 200
        assert other.address.split("?")[0] == f"/{world.portal.slug}/{world.entrance}"
        if not is_login:
            other.submit(code=world.code)
            over = span > timedelta(days=30)
            assert ("Ce code a expiré le" in other.text) == over, other.title
            assert (other.errors() == ["code"]) == over

    each(case, expire)


def begins_again_with_its_entries(world: World, step: str, form: tuple[str, dict[str, str]]) -> None:
    """What an owner changes: after the sign-in it begins anew, and what was typed stands there."""
    person, mails = world.person, sent()
    keeps = world.variant.journey.itinerary.find(step).keeps
    typed = {name: value for name, value in world.right(step).items() if name in keeps}
    person._arrive(*person.post(form))
    assert person.title.startswith("Connexion à")
    assert sent() == mails
    person.submit(email=world.email, password=PASSWORD)
    person.submit(otp=newest_code("sms") if world.variant.factor == "sms" else app_code(world.clock))
    assert world.is_at(world.variant.stops()[0].name)
    for value in typed.values():
        assert f'value="{value}"' in person.text
    world.clock.advance(timedelta(minutes=1))  # closing asks for the app again, and each of its codes serves once
    world.finish(world.variant.stops()[0].name)


def test_a_pause_of_half_an_hour_loses_nothing_of_a_registration(case: Case) -> None:
    """Mailed and texted codes expire meanwhile; the next guess is told so, and a new code is on its way."""

    def pause(world: World, step: str) -> None:
        world.clock.advance(timedelta(minutes=31))
        world.person.open(world.person.address)
        assert world.is_at(step)
        if step in {"email_code", "sms_code"}:
            world.answer(step)
            assert "Nous venons d’en envoyer un nouveau" in world.person.text
        world.finish(step)

    each(case, pause, of="registration")


def test_blocked_cookies_are_told_at_once_and_nothing_is_spent(case: Case) -> None:
    def no_cookies(world: World, step: str) -> None:
        form = world.person.filled(**world.right(step))
        mails, spent = sent(), counters()
        blind = Person(world.web)
        blind.client = world.web.test_client(use_cookies=False)
        for reach in (
            lambda: blind.open(world.person.address),
            lambda: blind.open(f"/{world.portal.slug}/{world.variant.journey.first_path}"),
            lambda: blind._arrive(*blind.post(form)),
        ):
            reach()
            assert blind.page.status_code == 403
            assert blind.title == "Votre navigateur bloque les cookies"
            assert "058 123 45 67" in blind.text
            assert len(ways_out(blind)) == 1
        assert (sent(), counters()) == (mails, spent)
        world.finish(step)

    each(case, no_cookies)


def test_what_was_finished_in_another_tab_is_finished_in_this_one(case: Case) -> None:
    def finish_elsewhere(world: World, step: str) -> None:
        form, address = world.person.filled(**world.right(step)), world.person.address
        world.finish(step)
        mails, held = sent(), fingerprint()
        old = Person(world.web)
        old.client = world.person.client
        for stop in world.variant.stops():
            old.open(address.replace(world.variant.journey.paths[step], world.variant.journey.paths[stop.name]))
            assert_finished(world, old)
        old._arrive(*old.post(form))
        assert_finished(world, old)
        assert sent() == mails
        assert set(changes(held, fingerprint())) <= {ONCE}

    each(case, finish_elsewhere)


def assert_finished(world: World, person: Person) -> None:
    assert person.page.status_code == 200
    done = DONE.get(world.variant.journey.name)
    if world.variant.journey.is_own:
        assert person.title == (done or "Sécurité")
        return
    assert person.title == (done or "Votre session est déjà ouverte.")
    assert ways_out(person) == [world.portal.home_url]


def test_later_steps_opened_early_lead_to_the_open_one_and_change_nothing(case: Case) -> None:
    def jump(world: World, step: str) -> None:
        place = shown(world.person)
        held = fingerprint()
        for later in later_paths(world, step):
            world.person.open(f"/{world.portal.slug}/{later}?f={world.handle}")
            assert shown(world.person) == place, later
        assert changes(held, fingerprint()) == {}
        world.finish(step)

    each(case, jump)


def test_a_form_of_a_later_step_is_not_judged(case: Case) -> None:
    def post_ahead(world: World, step: str) -> None:
        place, held = shown(world.person), fingerprint()
        for later in later_paths(world, step):
            form = world.person.filled(otp="123456", birth_date="1.1.1950", password=PASSWORD, method="sms")
            for suffix in ("", "/do/resend", "/do/switch", "/do/existing", "/do/nothing"):
                address = f"/{world.portal.slug}/{later}{suffix}?f={world.handle}"
                nonce = f"{later}{suffix}"
                response, _ = world.person.post((address, {**form[1], "nonce": nonce}))
                assert response.status_code == 303
                assert response.headers["Location"].split("#")[0] == place[2]
        assert set(changes(held, fingerprint())) <= {ONCE}
        world.person.open(world.person.address)
        world.finish(step)

    each(case, post_ahead)


def test_an_empty_answer_stays_and_says_what_is_missing(case: Case) -> None:
    def post_nothing(world: World, step: str) -> None:
        mails, spent, state = sent(), counters(), world.answered()
        names = [name for name in world.right(step) if name != "factor"]
        if not names:  # a page with nothing but its button
            world.finish(step)
            return
        world.person.submit(**dict.fromkeys(names, ""))
        assert world.is_at(step)
        assert world.person.errors()
        assert world.person.page.status_code == 200
        bare = world.person.filled()
        bare_form = {name: bare[1][name] for name in ("csrf_token", "nonce")}
        world.person._arrive(*world.person.post((bare[0], bare_form)))
        assert world.is_at(step)
        assert world.person.errors()
        assert (sent(), counters()) == (mails, spent)
        assert world.answered() == state
        world.finish(step)

    each(case, post_nothing)


def test_fields_that_are_not_asked_for_are_ignored(case: Case) -> None:
    """Mass assignment (security.md C-02, C-14): every fact of every journey, and what else one might try."""
    facts = {name for variant in VARIANTS for step in variant.journey.itinerary.steps for name in step.proves}
    hostile = dict.fromkeys(facts, "true") | {
        "account_id": "00000000-0000-0000-0000-000000000001", "person_id": "1", "role": "superuser", "status": "active",
        "email_verified": "1", "state": "{}", "version": "99", "run_id": "1", "journey": "login", "portal_id": "1",
        "acr": "phr", "amr": "swk", "resume": "https://evil.example/", "f": "x", "next": "https://evil.example/",
    }  # fmt: skip

    def stuff(world: World, step: str) -> None:
        if not world.right(step):
            world.finish(step)
            return
        asked = set(world.right(step)) | {"username", "typed_before", "suggestion"}
        extra = {name: value for name, value in hostile.items() if name not in asked}
        before = world.answered()
        world.person.submit(**{**dict.fromkeys(world.right(step), ""), **extra})
        assert world.is_at(step)
        assert world.answered() == before
        world.person.submit(**{**extra, **world.right(step)})
        if is_last(world, step):
            assert world.is_finished()
        else:
            world.finish(next_step(world, step))

    each(case, stuff)


def test_a_field_that_stands_twice_is_refused(case: Case) -> None:
    def repeat(world: World, step: str) -> None:
        address, fields = world.person.filled(**world.right(step))
        held = fingerprint()
        for name in world.right(step):
            doubled: dict[str, Any] = {**fields, name: [fields[name], fields[name]]}
            assert world.person.post((address, doubled))[0].status_code == 400
        assert changes(held, fingerprint()) == {}
        world.finish(step)

    each(case, repeat)


def test_a_letter_code_is_never_used_up_by_giving_up(case: Case) -> None:
    """Whatever was begun and left, the code of the letter is still good."""

    def give_up(world: World, step: str) -> None:
        if world.code:
            db.session.rollback()
            used = select(func.count()).select_from(RegistrationCode).where(RegistrationCode.redeemed_at.is_not(None))
            assert db.session.scalar(used) == 0

    each(case, give_up)


def test_the_step_is_kept_over_a_change_of_language(case: Case) -> None:
    def change(world: World, step: str) -> None:
        held, title = fingerprint(), world.person.title
        found = re.search(r'<a href="([^"]*)" lang="de"', world.person.text)
        assert found
        world.person.open(found[1].replace("&amp;", "&"))
        assert world.is_at(step)
        assert 'lang="de"' in world.person.text
        assert world.person.title != title
        assert changes(held, fingerprint()) == {}
        response = world.person.client.get(world.path(step) + "&lang=fr", base_url=ISSUER)
        world.person._arrive(response, world.path(step))
        world.finish(step)

    each(case, change)


def is_last(world: World, step: str) -> bool:
    return world.variant.stops()[-1].name == step


def next_step(world: World, step: str) -> str:
    names = [stop.name for stop in world.variant.stops()]
    return names[names.index(step) + 1]


def later_paths(world: World, step: str) -> list[str]:
    """The addresses of every step after this one, of both factors, that do not show this one too."""
    steps = [stop.name for stop in world.variant.journey.itinerary.steps]
    paths = world.variant.journey.paths
    later = [paths[name] for name in steps[steps.index(step) + 1 :]]
    return [path for path in dict.fromkeys(later) if path != paths[step]]
