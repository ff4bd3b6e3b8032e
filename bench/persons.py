"""How long lists and searches take among a million persons and their codes on PostgreSQL, by the services themselves.

Names are as uneven as in life: the commonest given name belongs to three persons in a hundred.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy import text as sql

from bench.report import Figure, Report, circumstances, percentile, processor_ms
from idp.admin import codes
from idp.admin.paging import Asked, Sort, page_of
from idp.models.base import db
from idp.models.person import RegistrationCode
from idp.models.portal import Portal
from idp.models.postgresql import take_your_time
from idp.services.bundle import Services
from idp.services.code_changes import CodeState
from idp.services.person_lists import BY_NAME, Ages, Filter, Wanted
from idp.services.person_words import sort_name, words_of
from tests.support import servers
from tests.support.builders import BORN, add_portal
from tests.support.engines import empty_postgresql_database
from tests.support.served import inside, installation

TARGET_MS = 300
COUNT, ROUNDS, ASKED = 1_000_000, 5, 20
QUICK_COUNT, QUICK_ROUNDS, QUICK_ASKED = 3_000, 2, 3
SHARES = (("cpx", 0.70), ("fon", 0.95), ("cpk", 1.0))  # of all persons, up to
GIVEN = ("Maria", "Anna", "Hélène", "Peter", "Hans-Peter", "Jean-Pierre", "Ursula", "Giovanni", "Thomas", "Zoë")
SYLLABLES = ("mül", "ler", "ro", "chat", "ber", "ger", "sto", "cker", "fa", "vre", "bian", "chi", "zur", "brig", "gen")
PERSON = ("id", "portal_id", "external_id", "insured_number", "given_name", "family_name", "birth_date", "language",
          "address", "account_id", "created_at", "changed_at", "sort_name")  # fmt: skip
SPOKEN = (("de", 0.62), ("fr", 0.9), ("it", 0.998), ("en", 1.0))  # of all persons, up to
SPREAD = 2654435761  # multiplicative hashing: numbers that follow each other land far apart


def share(number: int, salt: int = 1) -> float:
    """A number from 0 to 1 that looks like chance and is the same in every run."""
    return (number * salt * SPREAD % 2**32) / 2**32


def name(number: int) -> tuple[str, str]:
    """Given and family name: a few of each are common, most are rare."""
    base = len(SYLLABLES)
    common, rare = int(share(number, 3) ** 1.5 * 200), int(share(number, 5) ** 1.2 * base**3)
    given = GIVEN[common] if common < len(GIVEN) else (SYLLABLES[common % base] + SYLLABLES[common // base]).title()
    family = SYLLABLES[rare // base**2 % base] + SYLLABLES[rare // base % base] + SYLLABLES[rare % base]
    return given, family.title()


def records(count: int, portals: list[Portal]) -> Iterator[dict[str, Any]]:
    for number in range(count):
        given, family = name(number)
        portal = next(portal for portal, (_, until) in zip(portals, SHARES, strict=True) if share(number, 7) <= until)
        is_registered = share(number, 11) < 0.3
        language = next(language for language, until in SPOKEN if share(number, 23) <= until)
        born = date(1930 + int(share(number, 29) * 70), 3, 27)
        yield {
            "id": UUID(int=number + 1), "portal_id": portal.id, "external_id": f"P-{number:07}",
            "insured_number": f"756.{number % 9000 + 1000}.{number // 9000 % 9000 + 1000}.{number % 90 + 10}",
            "given_name": given, "family_name": family, "birth_date": born, "language": language,
            "address": ["Rue du Lac 1", f"{1000 + int(share(number, 13) * 8999)} Ville"],
            "account_id": UUID(int=number + 1) if is_registered else None, "created_at": BORN, "changed_at": BORN,
            "sort_name": sort_name(given, family),
        }  # fmt: skip


def seed(services: Services, count: int, known: Sequence[Portal] = ()) -> list[Portal]:
    """Persons, their words, a third of them registered and most others with a code. `known`: portals that there are."""
    slugs = {portal.slug: portal for portal in known}
    portals = [slugs.get(slug) or add_portal(slug) for slug, _ in SHARES]
    connection = db.engine.connect()
    take_your_time(connection)
    cursor: Any = connection.connection.cursor()
    cursor.execute("SET statement_timeout = 0")
    open_until = services.clock.now() + timedelta(days=30)
    account = "COPY account (id, email, email_verified_at, given_name, family_name, language, status, " \
              "terms_accepted_at, created_at) FROM STDIN"  # fmt: skip
    with cursor.copy(account) as copy:
        for at, row in enumerate(records(count, portals)):
            if row["account_id"]:
                names = (row["given_name"], row["family_name"])
                copy.write_row((row["account_id"], f"p{at}@example.ch", BORN, *names, "fr", "active", BORN, BORN))
    with cursor.copy(f"COPY insured_person ({', '.join(PERSON)}) FROM STDIN") as copy:
        for row in records(count, portals):
            lines = '["' + '", "'.join(row["address"]) + '"]'
            copy.write_row([lines if column == "address" else row[column] for column in PERSON])
    with cursor.copy("COPY person_word (portal_id, word, person_id) FROM STDIN") as copy:
        for row in records(count, portals):
            for word in words_of(row):
                copy.write_row((row["portal_id"], word, row["id"]))
    code = "COPY registration_code (id, insured_person_id, portal_id, purpose, code_hash, issued_at, expires_at, " \
           "reserved_at, redeemed_at) FROM STDIN"  # fmt: skip
    with cursor.copy(code) as copy:
        for at, row in enumerate(records(count, portals)):
            kind, redeemed = share(at, 17), BORN if row["account_id"] else None
            if kind < 0.8:
                begun, until = (BORN if kind < 0.01 else None), (open_until if kind < 0.5 else BORN)
                until += timedelta(days=int(kind * 1000) % 20)
                whose = (row["id"], row["id"], row["portal_id"])
                copy.write_row((*whose, "register", str(at), BORN, until, begun, redeemed))
    connection.connection.commit()
    connection.close()
    db.session.rollback()  # a transaction that is open would keep VACUUM from its work
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as analysed:
        take_your_time(analysed)
        analysed.execute(sql("SET statement_timeout = 0"))
        analysed.execute(sql("VACUUM ANALYZE"))
    return portals


def questions(services: Services, portals: list[Portal], count: int) -> dict[str, Callable[[int], Wanted]]:
    everywhere, few = [one.id for one in portals], [portals[-1].id]

    def search(typed: Callable[[int], str], where: list[UUID] = everywhere) -> Callable[[int], Wanted]:
        return lambda number: Wanted(where, services.persons.read(typed(number)))

    def of(number: int) -> int:
        return int(share(number + 1, 19) * count)

    asked: dict[str, Callable[[int], Wanted]] = {
        "first page": lambda _: Wanted(everywhere),
        "any page": lambda number: Wanted(everywhere, before=UUID(int=of(number) + 1)),
        "search, two letters": search(lambda number: name(of(number))[1][:2]),
        "search, family name": search(lambda number: name(of(number))[1]),
        "search, common given name": search(lambda number: "maria"),
        "search, both names": search(lambda number: " ".join(name(of(number)))),
        "search, two common beginnings": search(lambda number: "ma mu"),
        "search, both names at the smallest": search(lambda number: " ".join(name(of(number))), few),
        "search, insured number": search(lambda number: f"756.{of(number) % 9000 + 1000}.{of(number) // 9000 + 1000}"),
        "search, postcode": search(lambda number: str(1000 + number)),
        "search, e-mail address": search(lambda number: f"p{of(number)}@example.ch"),
        "search, nobody": search(lambda number: "quarzenegger"),
    }
    for which in Filter:
        asked[f"filter, {which}"] = lambda number, which=which: Wanted(  # type: ignore[misc]
            everywhere, filter=which, before=UUID(int=of(number) + 1)
        )
        asked[f"filter, {which}, at the smallest"] = lambda _, which=which: Wanted(few, filter=which)  # type: ignore[misc]
    return asked | {
        "filter, language": lambda number: Wanted(everywhere, language="it", before=UUID(int=of(number) + 1)),
        "filter, rare language, at the smallest": lambda _: Wanted(few, language="en"),
        "filter, age": lambda number: Wanted(everywhere, ages=Ages.OLD, before=UUID(int=of(number) + 1)),
        "filters, language, age, registered": lambda _: Wanted(
            everywhere, filter=Filter.REGISTERED, language="it", ages=Ages.OLD
        ),
        "filters, language, invited": lambda _: Wanted(everywhere, filter=Filter.INVITED, language="it"),
        "search, common given name, invited": lambda number: replace(asked["search, common given name"](number),
                                                                     filter=Filter.INVITED),
        "search, two letters, age": lambda number: replace(asked["search, two letters"](number), ages=Ages.OLD),
    }  # fmt: skip


def by_name(wanted: Callable[[int], Wanted], count: int) -> Callable[[int], Wanted]:
    """The same from A to Z, and every second time from Z to A, somewhere in the middle."""

    def ask(number: int) -> Wanted:
        if not number % 2:
            return replace(wanted(number), order=BY_NAME, before=None)
        somebody = UUID(int=int(share(number + 1, 31) * count) + 1)
        return replace(wanted(number), order=replace(BY_NAME, is_down=True), before=somebody)

    return ask


def lists_of_codes(services: Services, portals: list[Portal], count: int) -> dict[str, Callable[[int], object]]:
    """A page of the registration codes and how many there are: of all portals and of the smallest, in any state and in
    each, by the printing and by the end.
    """
    asked: dict[str, Callable[[int], object]] = {}
    everything = services.code_changes.listed(None, None, None)
    for where, of_portals in (("", portals), (", at the smallest", portals[-1:])):
        for state in (None, *CodeState):
            found = [services.code_changes.listed(None, one.id, state) for one in of_portals]
            for sort, how in zip(codes.LISTING.sorts, ("", ", by the end"), strict=True):

                def ask(number: int, found: list[Select[RegistrationCode]] = found, sort: Sort = sort) -> object:
                    before = UUID(int=int(share(number + 1, 19) * count) + 1)
                    page = Asked(codes.LISTING, {}, sort, is_down=number % 2 == 0, before=before)
                    return page_of(page, RegistrationCode.id, everything, found)

                asked[f"codes, {state or 'any page'}{where}{how}"] = ask
    return asked


def measure(*, quick: bool) -> Report:
    count, rounds, times = (QUICK_COUNT, QUICK_ROUNDS, QUICK_ASKED) if quick else (COUNT, ROUNDS, ASKED)
    report = Report("persons", circumstances(
        rounds=rounds, persons=count, figures="p95", server="none, the service itself",
        database="PostgreSQL 15, default memory",
    ))  # fmt: skip
    run = servers.new_run_folder()
    try:
        with tempfile.TemporaryDirectory(prefix="connect-bench-") as folder:
            environ = installation(
                Path(folder), "http://localhost", CONNECT_DATABASE_URL=empty_postgresql_database(run, "bench")
            )
            with inside(environ) as services:
                portals = seed(services, count)
                known = questions(services, portals, count)
                known |= {f"{what}, by name": by_name(wanted, count) for what, wanted in known.items()}
                asked = {
                    what: lambda number, wanted=wanted: services.persons.list(wanted(number))  # type: ignore[misc]
                    for what, wanted in known.items()
                }
                for what, ask in {**asked, **lists_of_codes(services, portals, count)}.items():
                    report.figures.append(_timed(what, ask, rounds, times))
    finally:
        servers.stop_all(run)
    return report


def _timed(what: str, ask: Callable[[int], object], rounds: int, times: int) -> Figure:
    p95, computed = [], []
    for _ in range(rounds):
        taken, processor = [], []
        for number in range(times):
            before, began = _computed_ms(), time.perf_counter()
            ask(number)
            taken.append((time.perf_counter() - began) * 1000)
            processor.append(_computed_ms() - before)
            db.session.rollback()
        p95.append(percentile(taken, 0.95))
        computed.append(percentile(processor, 0.95))
    return Figure(what, "ms", p95, TARGET_MS, times, statistics.median(computed))


def _computed_ms() -> float:
    """By this process and by the one of the database that works for it, so far."""
    of_database = int(db.session.scalar(sql("SELECT pg_backend_pid()")) or 0)
    return processor_ms(of_database) + time.process_time() * 1000
