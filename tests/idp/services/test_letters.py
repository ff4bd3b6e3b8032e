"""The letter as the post, a telephone, an old pair of eyes and a screen reader meet it (ux.md §7.3, §8.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise, product

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.errors import BadInput
from idp.models.base import db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.services.letters import Letter
from idp.services.registration_codes import show
from idp.settings import Settings
from idp.texts import LANGUAGES
from tests.support.builders import add_person
from tests.support.printed import Box, Document

CODE = "K7M49PQX2TDH"
WINDOWS = {"left": Box(22, 60, 107, 80), "right": Box(118, 52, 196, 85)}
# The whole window of the envelopes there are, and what the post prints above it.
SEEN = {"left": Box(20, 40, 120, 85.5), "right": Box(112, 32, 202, 90)}
FOLDED_INWARDS = Box(0, 165, 210, 235)
SCAN_BLUR = 1.5  # pixels at 150 dpi: a third of a module of the QR code
FOREIGN = [
    "Résidence Les Églantiers",
    "Bâtiment C, 12ᵉ étage",
    "Żwirki i Wigury 18B / 44",
    "02-143 Warszawa",
    "POLOGNE",
]
NAMES = {
    "fr": ("Żaneta Élodie Gülşen", "Žďárská-Wiśniewska von Rübenach"),
    "de": ("Hansjürg", "Ätzensberger-Müßiggang"),
    "it": ("Niccolò", "D’Àngelo Ó Súilleabháin"),
    "en": ("Þórunn", "Åström-Łukaszewicz"),
}
SALUTATIONS = {
    "fr": "Bonjour Żaneta Élodie Gülşen Žďárská-Wiśniewska von Rübenach,",
    "de": "Guten Tag Hansjürg Ätzensberger-Müßiggang\n",
    "it": "Buongiorno Niccolò D’Àngelo Ó Súilleabháin,",
    "en": "Dear Þórunn Åström-Łukaszewicz,",
}
VALID = {
    "fr": "valable jusqu’au 26.4.2026", "de": "gültig bis 26.4.2026", "it": "valido fino al 26.4.2026",
    "en": "valid until 26.4.2026",
}  # fmt: skip
ONE_TAG_EACH = ["P"] * 7 + ["P", "H1", "P", "P"]  # sender, six lines of address, date, subject, salutation, opening


def fund(window: str = "right", **changes: object) -> Portal:
    values: dict[str, object] = {
        "slug": "cpx", "place": "Lausanne", "phone": "058 123 45 67", "email": "aide@cpx.example.ch",
        "names": {"fr": "Caisse de pensions du Léman", "de": "Pensionskasse Genfersee"}, "brand_color": "#0B5C7A",
        "hours": {"fr": "lu–ve 8–17 h"}, "code_life_days": 30, "letter_window": window,
    }  # fmt: skip
    return Portal(**(values | changes))


def person(language: str = "fr", **changes: object) -> InsuredPerson:
    given, family = NAMES[language]
    values: dict[str, object] = {
        "external_id": "P-1", "given_name": given, "family_name": family, "language": language, "address": FOREIGN,
    }  # fmt: skip
    return InsuredPerson(**(values | changes))


def letter(who: InsuredPerson, where: Portal, code: str = CODE) -> Letter:
    return Letter(who, where, code, date(2026, 4, 26), 0)


def printed(services: Services, *letters: Letter) -> Document:
    return Document(services.letters.render(list(letters)))


CASES = list(product(LANGUAGES, WINDOWS))


@pytest.fixture
def document(services: Services) -> Iterator[Document]:
    """A page for each language and side of the window, in the order of CASES."""
    made = printed(services, *(letter(person(language), fund(window)) for language, window in CASES))
    yield made
    made.close()


def test_each_person_has_one_page(document: Document) -> None:
    assert document.count == len(CASES)
    for at, (language, _) in enumerate(CASES):
        assert SALUTATIONS[language] in document.text(at)
        assert VALID[language] in document.text(at)
        assert show(CODE) in document.text(at)


def test_the_window_shows_the_address_and_nothing_else(document: Document) -> None:
    for at, (language, window) in enumerate(CASES):
        shown = [glyph for glyph in document.glyphs(at) if glyph.box.meets(SEEN[window])]
        lines = "".join(glyph.character for glyph in shown)
        assert lines == "".join([*NAMES[language], *FOREIGN]).replace(" ", ""), (language, window)
        assert all(WINDOWS[window].holds(glyph.box) for glyph in shown), (language, window)
        ink = document.ink(at, SEEN[window])
        assert ink
        assert WINDOWS[window].holds(ink), (language, window, ink)
        assert not [drawing for drawing in document.drawings(at) if drawing.meets(SEEN[window])]


def test_lines_of_the_address_do_not_run_into_each_other(document: Document) -> None:
    for at, (_, window) in enumerate(CASES):
        shown = [glyph for glyph in document.glyphs(at) if WINDOWS[window].holds(glyph.box)]
        bases = sorted({round(glyph.box.bottom, 1) for glyph in shown if glyph.character in "sniarzBRWPO"})
        rows = [base for base, before in zip(bases, [0.0, *bases], strict=False) if base - before > 1]
        assert len(rows) == 6, (window, bases)
        assert min(after - before for before, after in pairwise(rows)) > 3.2


def test_code_and_qr_are_folded_inwards(document: Document) -> None:
    for at, case in enumerate(CASES):
        glyphs = document.glyphs(at)
        code = [glyph for glyph in glyphs if "Mono" in glyph.font]
        assert "".join(glyph.character for glyph in code) == show(CODE)
        assert {round(glyph.size, 1) for glyph in code} == {20.0}
        assert all(FOLDED_INWARDS.holds(glyph.box) for glyph in code), case
        boxes = [drawing for drawing in document.drawings(at) if drawing.bottom > 155]
        assert boxes
        assert all(FOLDED_INWARDS.holds(drawing) for drawing in boxes), case


def test_a_telephone_reads_the_address_of_the_code_from_a_poor_scan(document: Document) -> None:
    for at, (language, window) in enumerate(CASES):
        said, place = document.qr(at, blur=SCAN_BLUR)
        assert said == f"http://localhost:8000/cpx/r?lang={language}#{CODE}", window
        assert FOLDED_INWARDS.holds(place)
        assert 20 < place.right - place.left < 30


def test_a_long_address_of_the_house_is_read_as_well(environment: dict[str, str], clock: FrozenClock) -> None:
    host = "https://anmeldung.pensionskasse-nordostsch.example"
    services = build_services(Settings.from_environ({**environment, "CONNECT_ISSUER": host}), clock=clock)
    document = printed(services, letter(person(), fund(slug="pensionskasse-der-angestellten")))
    assert document.qr(0, blur=SCAN_BLUR)[0] == f"{host}/pensionskasse-der-angestellten/r?lang=fr#{CODE}"
    document.close()


def test_text_is_large_enough_for_old_eyes(document: Document) -> None:
    for at, (_, window) in enumerate(CASES):
        body = [glyph for glyph in document.glyphs(at) if not WINDOWS[window].holds(glyph.box)]
        assert min(glyph.size for glyph in body) >= 10.99
        steps = [glyph for glyph in body if 115 < glyph.box.top < 165]
        assert {round(glyph.size, 1) for glyph in steps} >= {13.0}
        assert min(glyph.size for glyph in steps) >= 12.99
        window_glyphs = [glyph for glyph in document.glyphs(at) if WINDOWS[window].holds(glyph.box)]
        assert min(glyph.size for glyph in window_glyphs) >= 9.99


def test_nothing_runs_into_anything_however_long_the_names_are(services: Services) -> None:
    """What import and registration let through: 100 letters of name, 60 of a line of address, 120 of a portal."""
    long = {
        "names": {"fr": ("Fondation collective de prévoyance professionnelle des entreprises vaudoises " * 2)[:120]},
        "place": "Saint-Sulpice-sur-le-Lac",
        "email": f"{'aide' * 12}@cpx.example.ch",
        "hours": {
            "fr": "du lundi au vendredi de 8 heures à midi et de 13 heures 30 à 17 heures, samedi sur rendez-vous"
        },
    }
    for window, language in product(WINDOWS, LANGUAGES):
        who = person(language, given_name="Wilhelmina " * 9, family_name="Ó’Súilleabháin-" * 6, address=["W" * 60] * 5)
        document = printed(services, letter(who, fund(window, **long)))
        assert document.count == 1
        glyphs = document.glyphs(0)
        shown = [glyph for glyph in glyphs if glyph.box.meets(SEEN[window])]
        assert all(WINDOWS[window].holds(glyph.box) for glyph in shown)
        upper = [glyph for glyph in glyphs if 90 < glyph.box.top < 168]
        assert max(glyph.box.bottom for glyph in upper) < 168
        assert min(glyph.size for glyph in upper) >= 9.99
        lower = [glyph for glyph in glyphs if glyph.box.top > 222]
        assert max(glyph.box.bottom for glyph in lower) < 292
        assert max(glyph.box.right for glyph in glyphs) <= 196
        assert document.qr(0)[0].endswith(CODE)
        document.close()


def test_a_screen_reader_hears_title_language_and_order(document: Document) -> None:
    root = document.tagged.trailer["/Root"]
    assert document.tagged.metadata is not None
    assert document.tagged.metadata.title == "Votre accès à Caisse de pensions du Léman"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert root["/MarkInfo"]["/Marked"]
    assert "<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data().decode()
    for at, (language, _) in enumerate(CASES):
        pieces = document.tags(at)
        assert {told for _, told, _ in pieces} == {f"{language}-CH"}, CASES[at]
        tags = [tag.removeprefix("/") for tag, _, _ in pieces]
        assert tags[: len(ONE_TAG_EACH)] == ONE_TAG_EACH
        assert tags.count("Lbl") == 3
        alternatives = [alt for tag, _, alt in pieces if tag == "/Figure"]
        assert set(alternatives) == {f"http://localhost:8000/cpx/r?lang={language}"}, (
            "the code is not for the ears of all"
        )


def test_words_stand_in_the_order_a_person_needs_them(document: Document) -> None:
    said = [
        "Caisse de pensions du Léman, Lausanne", "Żaneta", "02-143 Warszawa", "Lausanne, 27.3.2026",
        "Votre accès à Caisse de pensions du Léman", "Bonjour", "Vous pouvez désormais", "1.", "2.", "3.",
        "Votre code d’inscription personnel", show(CODE), "valable jusqu’au", "Ne donnez ce code à personne.",
        "Besoin d’aide\u00a0? 058\u00a0123\u00a045\u00a067, aide@cpx.example.ch, lu–ve 8–17 h", "Vous ne souhaitez pas",
    ]  # fmt: skip
    text, read = document.text(0), 0
    for words in said:
        assert words in text[read:], words
        read = text.index(words, read) + len(words)
    assert "Cliquez sur «J’ai un code d’inscription» et" in text, (
        "no spaces inside the guillemets, typographic apostrophes"
    )


def test_an_address_to_type_is_not_broken_over_two_lines(environment: dict[str, str], clock: FrozenClock) -> None:
    issuer = "https://connect.example.ch"
    services = build_services(Settings.from_environ({**environment, "CONNECT_ISSUER": issuer}), clock=clock)
    document = printed(services, *(letter(person(language), fund()) for language in LANGUAGES))
    for at in range(len(LANGUAGES)):
        assert issuer in document.text(at)
    document.close()


def test_a_record_without_a_name_is_greeted_without_one(services: Services) -> None:
    nameless = person("fr", given_name="", family_name="", address=["Hoirie Müller", "1000 Lausanne"])
    document = printed(services, letter(nameless, fund()))
    assert "Madame, Monsieur," in document.text(0)
    assert "P-1" not in document.text(0), "the fund's own key is nobody's name"
    shown = [glyph for glyph in document.glyphs(0) if glyph.box.meets(SEEN["right"])]
    assert "".join(glyph.character for glyph in shown) == "HoirieMüller1000Lausanne"
    document.close()


def test_markup_in_a_name_is_printed_as_it_stands(services: Services) -> None:
    hostile = "#panic() $x^2$ *b* \\ <a> {{7*7}} {portal} @cite"
    document = printed(services, letter(person("en", given_name=hostile, family_name=""), fund()))
    assert f"Dear {hostile}," in document.text(0).replace("\n", " ")
    document.close()


def test_a_name_that_cannot_be_printed_is_named_and_the_others_are_not(services: Services) -> None:
    letters = [letter(person(external_id=f"P-{at}"), fund()) for at in range(7)]
    letters[2] = letter(person(external_id="P-2", given_name="小明"), fund())
    letters[5] = letter(person(external_id="P-5", address=["😀", "1000 Lausanne"]), fund())
    with pytest.raises(BadInput) as caught:
        services.letters.render(letters)
    named = [line.split(":")[0] for line in caught.value.message.splitlines()]
    assert named == ["'P-2'", "'P-5'"]


def test_the_code_is_in_no_representation_of_a_letter() -> None:
    assert CODE not in repr(letter(person(), fund()))


def test_a_code_is_good_until_the_day_on_the_letter_ends(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    clock.at = datetime(2026, 3, 27, 6, 0, tzinfo=UTC)
    (made,) = services.letters.compose(portal, [add_person(portal)])
    services.letters.issue([made])
    assert made.last_day == date(2026, 4, 26)
    row = db.session.scalar(select(RegistrationCode))
    assert row is not None
    assert row.state(datetime(2026, 4, 26, 21, 59, tzinfo=UTC)) == "issued", "23:59 on a Swiss clock"
    assert row.state(datetime(2026, 4, 26, 22, 0, tzinfo=UTC)) == "expired"


def test_letters_composed_twice_are_issued_once(app: Flask, services: Services, portal: Portal) -> None:
    persons = [add_person(portal, f"P-{at}") for at in range(3)]
    first, second = services.letters.compose(portal, persons), services.letters.compose(portal, persons)
    services.letters.issue(first)
    db.session.commit()
    with pytest.raises(BadInput):
        services.letters.issue(second)
    db.session.rollback()
    now = services.clock.now()
    assert [row.state(now) for row in db.session.scalars(select(RegistrationCode))] == ["issued"] * 3
    third = services.letters.compose(portal, persons[:1])
    services.letters.issue(third)
    db.session.commit()
    states = sorted(row.state(now) for row in db.session.scalars(select(RegistrationCode)))
    assert states == ["issued"] * 3 + ["revoked"]
