"""A fund's file of persons: what is right comes in once, what is wrong is told by line, and then nothing comes in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from idp.errors import BadInput
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.imports import MOST_ERRORS, Report
from idp.services.person_rows import COLUMNS, REQUIRED
from idp.services.persons_csv import LONGEST_LINE
from tests.support import workbook
from tests.support.builders import add_portal

HEADER = "external_id;insured_number;given_name;family_name;birth_date;language;address_1;address_2"
GOOD = "P-1;756.9217.0769.85;Hélène;Müller;27.3.1958;fr;Rue du Lac 1;1000 Lausanne"

Importer = Callable[..., Report]


@pytest.fixture
def load(app: Flask, services: Services, portal: Portal, tmp_path: Path) -> Importer:
    """Import these bytes or lines for the portal, and commit as the command does."""

    def run(content: str | bytes, *, is_dry: bool = False, where: Portal = portal) -> Report:
        file = tmp_path / "persons.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        report = services.imports.run(file, where, is_dry=is_dry)
        db.session.commit()
        return report

    return run


def stored() -> list[InsuredPerson]:
    return list(db.session.scalars(select(InsuredPerson).order_by(InsuredPerson.external_id)))


def lines(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def changed(**fields: str) -> str:
    """The good row with other cells."""
    cells = dict(zip(HEADER.split(";"), GOOD.split(";"), strict=True)) | fields
    return ";".join(cells.values())


def test_a_row_is_stored_as_it_was_written(load: Importer) -> None:
    report = load(lines(GOOD))
    assert (report.new, report.changed, report.unchanged, report.errors) == (1, 0, 0, [])
    (person,) = stored()
    assert (person.external_id, person.insured_number, person.language) == ("P-1", "756.9217.0769.85", "fr")
    assert (person.given_name, person.family_name, person.birth_date) == ("Hélène", "Müller", date(1958, 3, 27))
    assert person.address == ["Rue du Lac 1", "1000 Lausanne"]
    event = db.session.scalar(select(AuditEvent))
    assert event is not None
    assert event.detail == {"new": "1", "changed": "0"}


def test_every_way_an_office_saves_a_table_is_understood(load: Importer) -> None:
    for separator in ";,\t":
        for start in ("", "\ufeff"):
            for end in ("\n", "\r\n", "\r"):
                text = start + lines(GOOD).replace(";", separator).replace("\n", end)
                report = load(text, is_dry=True)
                assert (report.new, report.errors) == (1, []), (separator, start, end)
    quoted = '"' + lines(GOOD).strip().replace(";", '";"').replace("\n", '"\n"') + '"\n'
    assert load(quoted).new == 1
    reordered = "Language;BIRTH_DATE; address_2 ;address_1;insured_number;external_id\nIT;1958-03-27;b;a;1;Q\n\n;;;;;\n"
    assert load(reordered).new == 1
    assert [person.external_id for person in stored()] == ["P-1", "Q"]


def test_a_workbook_is_read_like_a_table(load: Importer) -> None:
    assert load(workbook.table(lines(GOOD, changed(external_id="P-2")))).new == 2
    assert load(lines(GOOD, changed(external_id="P-2"))).unchanged == 2
    told = load(workbook.table(lines(GOOD, changed(external_id="P-2", birth_date="x")))).errors
    assert [(error.line, error.field, error.value) for error in told] == [(3, "birth_date", "x")]


def test_columns_go_by_the_names_that_an_office_uses(load: Importer) -> None:
    for names in (
        "Personen-Nr.;AHV-Nr.;Vorname;Nachname;Geburtsdatum;Sprache;Strasse;Hausnummer;PLZ;Ort",
        "N° de personne;N° AVS;Prénom;Nom;Né(e) le;Langue;Rue;Hausnr;NPA;Localité",
        "Numero persona;Numero AVS;Nome;Cognome;Data di nascita;Lingua;Via;Hausnr;NPA;Luogo",
        "Person number;AHV number;First name;Last name;Date of birth;Language;Street;Hausnr;Postcode;Town",
    ):
        report = load(f"{names}\nP-1;756.9217.0769.85;Hélène;Müller;27.3.1958;fr;Rue du Lac;1;1000;Lausanne\n")
        assert report.errors == [], names
    assert [one.address for one in stored()] == [["Rue du Lac 1", "1000 Lausanne"]]


def test_a_language_is_known_by_what_offices_write(load: Importer) -> None:
    written = {"F": "fr", "Français": "fr", "d": "de", "Deutsch": "de", "Italienisch": "it", "E": "en", "DE": "de"}
    load(lines(*(changed(external_id=f"P-{at}", language=one) for at, one in enumerate(written))))
    assert [person.language for person in stored()] == list(written.values())


def test_two_columns_of_a_field_that_cannot_be_joined_are_refused(load: Importer) -> None:
    with pytest.raises(BadInput, match="column 'ahv' is unknown"):
        load(lines(GOOD).replace("address_2", "address_2;AHV").replace("Lausanne", "Lausanne;756"))


def test_the_same_file_twice_changes_nothing_and_a_corrected_one_only_the_corrected(
    load: Importer, services: Services
) -> None:
    second = changed(external_id="P-2", family_name="Meier")
    assert load(lines(GOOD, second)).new == 2
    before = [(person.id, person.changed_at) for person in stored()]
    report = load(lines(GOOD, second))
    assert (report.new, report.changed, report.unchanged) == (0, 0, 2)
    assert [(person.id, person.changed_at) for person in stored()] == before
    report = load(lines(GOOD, second.replace("Meier", "Meier-Rossi"), changed(external_id="P-3")))
    assert (report.new, report.changed, report.unchanged) == (1, 1, 1)
    assert [person.family_name for person in stored()] == ["Müller", "Meier-Rossi", "Müller"]
    assert [person.id for person in stored()][:2] == [ident for ident, _ in before]


def test_a_dry_run_counts_and_writes_nothing(load: Importer) -> None:
    load(lines(GOOD))
    report = load(lines(changed(family_name="X"), changed(external_id="P-2")), is_dry=True)
    assert (report.new, report.changed, report.unchanged) == (1, 1, 0)
    assert [person.family_name for person in stored()] == ["Müller"]
    assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == 1


def test_two_portals_may_use_the_same_keys(load: Importer) -> None:
    load(lines(GOOD))
    assert load(lines(GOOD), where=add_portal("fundb")).new == 1
    assert len(stored()) == 2


def test_one_wrong_row_keeps_all_out_and_every_fault_is_told(load: Importer) -> None:
    report = load(
        lines(
            GOOD,
            changed(external_id="P-2", birth_date="31.2.1960"),
            changed(external_id="P-3", birth_date="1.1.1899", language="rm"),
            changed(external_id="P-4", birth_date="28.3.2026", address_2=""),
            changed(external_id="", insured_number="756.9217.0769.84"),
            "P-6;too;few",
            changed(external_id="P-7", family_name="x" * 101),
            changed(external_id="P-8", birth_date="١.١.١٩٥٨"),
            changed(external_id="P-9", family_name='"two\nlines"'),
            changed(external_id="P-10", family_name="tab\x0bbed", given_name="sep\u2028arated"),
            GOOD,
        )
    )
    told = [(error.line, error.field) for error in report.errors]
    assert told == [
        (3, "birth_date"), (4, "birth_date"), (4, "language"), (5, "address_2"), (5, "birth_date"), (6, "external_id"),
        (6, "insured_number"), (7, "row"), (8, "family_name"), (9, "birth_date"), (10, "family_name"),
        (12, "given_name"), (12, "family_name"), (13, "external_id"),
    ]  # fmt: skip
    assert report.errors[0].value == "31.2.1960"
    assert report.errors[-1].reason == "stands already on line 2"
    assert stored() == []


def test_what_looks_like_a_formula_is_a_name(load: Importer) -> None:
    for cell in ("=1+1", "=HYPERLINK(A1)", "+41", "-2", "@SUM(A1)", "{{7*7}}", "{portal}", "<script>", "%n", "Ro\\'b"):
        assert load(lines(changed(family_name=cell))).errors == []
        assert stored()[0].family_name == cell


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the first line must name the columns"),
        (b"\n\n\n", "the first line must name the columns"),
        (HEADER.encode(), "a header and no row"),
        (b"external_id\nP-1\n", "column insured_number is missing"),
        (f"{HEADER};colour\n{GOOD};red\n".encode(), "column 'colour' is unknown"),
        (f"{HEADER};language\n{GOOD};fr\n".encode(), "column language stands twice"),
        (lines(GOOD).encode("utf-16"), "UTF-16"),
        (lines(GOOD).encode("utf-16-be"), "NUL"),
        (lines(GOOD).encode("latin-1"), "line 2 is not UTF-8"),
        (lines(GOOD).encode() + b"P-2;\xc3\x28;a;b;1.1.1950;fr;a;b\n", "line 3 is not UTF-8"),
        (lines(GOOD).encode() + b"P-2;\0;a;b;1.1.1950;fr;a;b\n", "line 3 has a NUL"),
        (lines(GOOD, GOOD.replace("Müller", "x" * LONGEST_LINE)).encode(), "line 3 is longer"),
        (b"x" * 5_000_000, "line 1 is longer"),
        (lines(GOOD, 'P-2;"1;a;b', *[GOOD] * 3000).encode(), "line 3: a quotation mark"),
        (lines(GOOD, 'P-2;"1"2;a;b;1.1.1950;fr;a;b').encode(), "line 3: a quotation mark"),
        (b"PK\x03\x04" + bytes(range(256)) * 20, "workbook cannot be read"),
        (b"\xd0\xcf\x11\xe0" + bytes(512), "old format"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_in_words(load: Importer, content: bytes, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(content)
    assert said in caught.value.message
    assert stored() == []


def test_what_is_no_file_is_refused(app: Flask, services: Services, portal: Portal, tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(BadInput, match="is no file"):
            services.imports.run(path, portal)


def test_reading_stops_when_a_file_is_hopeless(load: Importer) -> None:
    report = load(lines(*[changed(birth_date="x")] * 5000))
    assert MOST_ERRORS <= len(report.errors) <= MOST_ERRORS + 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, len(lines(GOOD))))
def test_no_bytes_whatever_end_in_anything_but_words(load: Importer, noise: bytes, at: int) -> None:
    good = lines(GOOD).encode()
    for content in (noise, good[:at] + noise + good[at:]):
        with suppress(BadInput):
            load(content, is_dry=True)


def test_the_columns_are_those_of_the_documentation() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
    for name in COLUMNS:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}`")]
        assert ("yes" in row.split("|")[2]) == (name in REQUIRED), row
