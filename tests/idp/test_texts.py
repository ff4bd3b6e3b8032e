"""The four catalogues have the same keys and placeholders, and the style that ux.md asks for."""

from __future__ import annotations

from idp.services.gsm import fits_one_sms
from idp.texts import LANGUAGES, PLACEHOLDER, Texts

texts = Texts.load()


def test_every_text_exists_in_four_languages_with_the_same_placeholders() -> None:
    for key in texts.keys():  # noqa: SIM118 - not a mapping
        found = {language: sorted(set(PLACEHOLDER.findall(texts.catalogues[language][key]))) for language in LANGUAGES}
        assert len({tuple(names) for names in found.values()}) == 1, (key, found)
        assert all(texts.catalogues[language][key] for language in LANGUAGES), key


def test_there_is_no_sharp_s_and_no_straight_apostrophe() -> None:
    assert not [key for key, text in texts.catalogues["de"].items() if "ß" in text]
    assert not [key for key, text in texts.catalogues["fr"].items() if "'" in text and not key.startswith("s.")]


def test_a_value_is_data_and_never_a_template() -> None:
    shown = texts.get("fr", "r2.typo", suggestion="{0.__class__}{{7*7}}{phone}", phone="secret")
    assert "{0.__class__}{{7*7}}{phone}" in shown


def test_every_sms_fits_one_segment_and_ends_with_its_origin() -> None:
    for language in LANGUAGES:
        text = texts.get(language, "s.code", code="123456", pname="P" * 20, host="connect.example.ch")
        assert fits_one_sms(text)
        assert text.endswith("\n\n@connect.example.ch #123456")
