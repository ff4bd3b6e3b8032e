"""Where no place is left to hash a password: every form is answered at once, kept, and good for one more try."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event

import pytest
from flask import Flask, request

from idp.models.portal import Portal
from idp.services import hash_queue
from idp.services.bundle import Services
from idp.texts import LANGUAGES
from tests.actions import PASSWORD, letter
from tests.support.fingerprint import changes, fingerprint
from tests.support.person import ISSUER, Person, newest_code
from tests.support.waiting import wait_until
from tests.support.walks import BORN, NEW_PASSWORD, add_account

pytestmark = pytest.mark.both_engines

OWNER = "owner@example.ch"
AGAIN = "Rien n’est perdu"


@contextmanager
def full(services: Services, *, by: str = "192.0.2.") -> Iterator[None]:
    """Every place is held: by networks of this beginning, or all that one network may hold by a whole address."""
    settings = services.settings
    places = settings.hashes_at_once + settings.hashes_waiting
    is_one = not by.endswith(".")
    with ExitStack() as held:
        for at in range(places - hash_queue.KEPT_FREE if is_one else places):
            held.enter_context(services.passwords.queue.place(by if is_one else f"{by}{at}"))
        yield


def refuse(person: Person, services: Services, **fields: str) -> None:
    """Send the form while every place is held: nothing changes, nothing is lost."""
    before = fingerprint()
    with full(services):
        person.submit(**fields)
    assert person.page.status_code == 503
    assert person.page.headers["Retry-After"] == "3"
    assert person.title == "Beaucoup de demandes en ce moment"
    assert AGAIN in person.text
    assert all(value not in person.text for name, value in fields.items() if name == "password")
    assert changes(before, fingerprint()) == {}


@pytest.fixture
def owner(web: Flask, services: Services, portal: Portal) -> Person:
    """At the sign-in."""
    add_account(services, portal, OWNER)
    person = Person(web)
    person.open("/cpx/login")
    return person


def test_a_sign_in_keeps_the_address_and_goes_on_with_the_password(owner: Person, services: Services) -> None:
    refuse(owner, services, email=OWNER, password=PASSWORD)
    assert f'name="email" type="email" value="{OWNER}"' in owner.text
    refuse(owner, services, password=PASSWORD)  # and once more
    owner.submit(password=PASSWORD)
    assert owner.title == "Saisissez le code SMS"


def test_the_same_answer_comes_for_everybody(owner: Person, services: Services) -> None:
    for email in (OWNER, "nobody@example.ch"):
        refuse(owner, services, email=email, password="wrong wrong wrong")


def test_nobody_sees_what_another_person_typed(web: Flask, services: Services, portal: Portal) -> None:
    people = [Person(web), Person(web)]
    looks = []
    for at, person in enumerate(people):
        person.open("/cpx/login")
        _, fields = person.filled()
        with full(services):
            person.submit(email=f"p{at}@example.ch\x02nonce\x03", password=PASSWORD)
        _, again = person.filled()
        assert again["csrf_token"] == fields["csrf_token"]
        assert again["nonce"] not in {"", fields["nonce"]}
        for own in (f"p{at}@example.ch", again["csrf_token"], again["nonce"]):
            assert person.text.count(own) == 1
        looks.append(person.text.replace(f"p{at}@", "p@").replace(again["csrf_token"], "").replace(again["nonce"], ""))
    assert looks[0] == looks[1]


def test_refused_guesses_are_judged_by_nobody_and_cost_nothing(owner: Person, services: Services) -> None:
    for _ in range(20):
        refuse(owner, services, email=OWNER, password="wrong wrong wrong")
    owner.submit(email=OWNER, password=PASSWORD)
    assert owner.title == "Saisissez le code SMS"


def test_a_network_that_floods_is_told_so_while_others_come_in(owner: Person, services: Services, web: Flask) -> None:
    with full(services, by="127.0.0.1"):
        owner.submit(email=OWNER, password=PASSWORD)
        assert owner.page.status_code == 429
        assert owner.page.headers["Retry-After"] == "3"
        assert AGAIN in owner.text
        neighbour = Person(web)
        neighbour.client.environ_base["REMOTE_ADDR"] = "192.0.2.1"
        neighbour.open("/cpx/login")
        neighbour.submit(email=OWNER, password=PASSWORD)
        assert neighbour.title == "Saisissez le code SMS"


@pytest.mark.sqlite_only
def test_an_office_behind_one_address_comes_in_by_pressing_again(
    web: Flask, services: Services, portal: Portal
) -> None:
    """They all press at once: whom the network's share has no room for needs one more try, and no other patience."""
    office, people = 12, list[Person]()
    share = services.settings.hashes_at_once + services.settings.hashes_waiting - hash_queue.KEPT_FREE
    for at in range(office):
        add_account(services, portal, f"p{at}@example.ch", number=f"+417912345{at:02}")
        people.append(Person(web))
        people[-1].open("/cpx/login")
    is_over = Event()
    services.passwords.queue._hashers.submit(is_over.wait, 5)
    with ThreadPoolExecutor(office) as pool:
        pressed = [
            pool.submit(person.submit, email=f"p{at}@example.ch", password=PASSWORD) for at, person in enumerate(people)
        ]
        wait_until(lambda: sum(one.done() for one in pressed) == office - share)
        is_over.set()
    refused = [person for person in people if person.page.status_code == 429]
    assert len(refused) == office - share
    for person in refused:
        assert person.page.headers["Retry-After"] == "3"
        person.submit(password=PASSWORD)
    assert {person.title for person in people} == {"Saisissez le code SMS"}


def test_the_door_of_the_console_answers_too(owner: Person, services: Services) -> None:
    owner.open("/admin/login")
    refuse(owner, services, email=OWNER, password=PASSWORD, otp="000000")
    assert '<a class="button" href="/admin/login">' in owner.text
    with full(services, by="127.0.0.1"):
        owner.open("/admin/login")
        owner.submit(email=OWNER, password=PASSWORD, otp="000000")
        assert owner.page.status_code == 429


def test_a_machine_reads_json(web: Flask, services: Services, portal: Portal) -> None:
    @web.before_request
    def refuse_all() -> None:
        if request.path == "/token":
            raise hash_queue.TooBusy

    answer = web.test_client().post("/token", base_url=ISSUER)
    assert (answer.status_code, answer.get_json()) == (503, {"error": "temporarily_unavailable"})
    assert answer.headers["Retry-After"] == "3"


def test_what_hashes_nothing_needs_no_place(owner: Person, services: Services) -> None:
    with full(services):
        owner.submit(email=OWNER, password="")
        assert owner.errors() == ["password"]
        owner.submit(passkey="{}")
        assert owner.page.status_code == 200


def test_a_turn_that_does_not_come_in_time_is_the_same_answer(
    owner: Person, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = Event()
    services.passwords.queue._hashers.submit(is_over.wait, 5)
    with monkeypatch.context() as hasty:
        hasty.setattr(hash_queue, "LONGEST_WAIT_S", 0.01)
        owner.submit(email=OWNER, password=PASSWORD)
    is_over.set()
    assert owner.page.status_code == 503
    owner.submit(password=PASSWORD)
    assert owner.title == "Saisissez le code SMS"


def test_the_details_of_a_registration_are_kept(web: Flask, services: Services, portal: Portal) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    person.submit(email="helene@example.ch")
    person.submit(otp=newest_code("mail"))
    details = {"birth_date": BORN, "terms": "yes", "factor": "sms", "mobile": "079 123 45 67"}
    refuse(person, services, password=PASSWORD, **details)
    person.submit(password=PASSWORD)
    assert person.title == "Saisissez le code SMS"


def test_a_new_password_may_be_sent_again(owner: Person, services: Services) -> None:
    owner.open("/cpx/reset")
    owner.submit(email=OWNER)
    owner.submit(otp=newest_code("mail"))
    owner.submit(otp=newest_code("sms"))
    refuse(owner, services, password=NEW_PASSWORD)
    assert 'autocomplete="new-password"' in owner.text
    owner.submit(password=NEW_PASSWORD)
    assert owner.title == "Mot de passe modifié"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks_the_language_of_the_person(owner: Person, services: Services, language: str) -> None:
    owner.open(f"{owner.address}&lang={language}")
    with full(services):
        owner.submit(email=OWNER, password=PASSWORD)
    assert services.texts.get(language, "x.busy.text") in owner.text
