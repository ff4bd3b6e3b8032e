"""The words of pages, mails, SMS and letters: complete in four languages, in the voice of ux.md §3.5 (U18)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from idp.services.own_data import FIELDS
from idp.texts import LANGUAGES, PLACEHOLDER, Texts
from tests.house.tree import texts as files

TEXTS = Texts.load()
TOO_FAMILIAR = {
    "fr": r"\b(tu|toi|ton|ta|tes|te)\b|\bt’",
    "de": r"\b(du|dich|dir|dein\w*|euch|euer|eure\w*)\b",
    "it": r"\b(tu|tuo|tua|tuoi|tue|ti|te)\b",
    "en": r"\b(hey|folks|guys)\b",
}
# An error says what to do; it neither begs nor calls a person's entry names.
UNKIND = (
    r"please|bitte\b|veuillez|s’il vous plaît|prego|per favore|per cortesia|"
    r"invalid|ungültig|non valid|non valable|forbidden|verboten|interdit|vietat|illegal|oops|sorry"
)
JARGON = r"\b(OTP|tokens?|2FA|MFA|IdP|session ID|ID de session|Session-ID|user ?name)\b"
LABEL_OF_THE_GUIDE = "Authenticator (OTP)"
NAMED_IN_CODE = re.compile(r"""['"]([a-z][a-z0-9]*(?:\.[a-zA-Z0-9]+)+)['"]""")


def said(language: str) -> Iterator[tuple[str, str]]:
    """Every text of a language with where it stands: the catalogue, and the long pages that have a file a language."""
    yield from TEXTS.catalogues[language].items()
    for name, content in files():
        if name.startswith("templates/") and name.endswith(f".{language}.html"):
            filled = re.sub(r"{{.*?}}", "X", content)
            yield name, re.sub(r"{[%#].*?[%#]}|<[^>]*>", " ", filled, flags=re.DOTALL)


def test_every_language_has_every_text_with_the_same_placeholders() -> None:
    for language in LANGUAGES:
        assert set(TEXTS.catalogues[language]) == TEXTS.keys(), language
        for key, text in TEXTS.catalogues[language].items():
            assert text.strip(), (language, key)
            assert text == text.strip(), (language, key)
            assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(TEXTS.catalogues["fr"][key])), key
            assert text.count("{") == text.count("}") == len(PLACEHOLDER.findall(text)), (language, key)


def test_every_long_page_stands_in_every_language() -> None:
    pages = {name for name, _ in files() if re.fullmatch(r"templates/.*\.(fr|de|it|en)\.html", name)}
    assert pages
    for name in pages:
        assert {re.sub(r"\.\w\w\.html", f".{language}.html", name) for language in LANGUAGES} <= pages


def test_the_code_names_texts_that_exist() -> None:
    known = {key.split(".")[0] for key in TEXTS.keys()}  # noqa: SIM118 - not a mapping
    pages = {key.rpartition(".")[0] for key in TEXTS.keys() if key.startswith(("x.", "dev."))}  # noqa: SIM118
    named = {
        (name, key)
        for name, content in files()
        if name.split("/")[0] in {"idp", "flows", "templates"} and name.endswith((".py", ".html"))
        for key in NAMED_IN_CODE.findall(content)
        if key.split(".")[0] in known and not key.endswith((".log", ".py", ".html", ".json"))
    }
    assert len(named) > 100
    assert {(name, key) for name, key in named if key not in TEXTS.keys() | pages} == set()


def test_everything_that_is_kept_about_a_person_has_a_name() -> None:
    for subject, fields in FIELDS.items():
        assert f"data.{subject}" in TEXTS.keys()  # noqa: SIM118 - not a mapping
        assert {f"data.field.{name}" for name in fields} <= TEXTS.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_persons_are_addressed_politely_and_without_jargon(language: str) -> None:
    found = {
        where: match[0]
        for where, text in said(language)
        for pattern in (TOO_FAMILIAR[language], JARGON)
        if (match := re.search(pattern, text.replace(LABEL_OF_THE_GUIDE, ""), re.IGNORECASE))
    }
    assert found == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_errors_say_what_to_do_and_do_not_scold_or_beg(language: str) -> None:
    errors = {key: text for key, text in TEXTS.catalogues[language].items() if key.startswith(("e.", "x."))}
    assert len(errors) > 50
    assert {key: text for key, text in errors.items() if re.search(UNKIND, text, re.IGNORECASE)} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_typography_is_that_of_the_language(language: str) -> None:
    for where, text in said(language):
        is_page, is_sms = where.startswith("templates/"), where.startswith("s.")
        assert "ß" not in text, where
        assert "..." not in text, where
        if not is_page and not is_sms:
            assert "'" not in text, where
            assert '"' not in text, where
        if language != "en":
            assert not re.search(r"[“”„]", text), where
            assert not re.search(r"«\s|\s»", text), f"{where}: no space inside the guillemets"
        if language == "fr" and not is_page and not is_sms:
            assert not re.search(r"(?<![\u00a0?!])[?!;]|(?<!\u00a0):(?=\s|$)", text), f"{where}: {text}"
        elif not is_page:
            assert not re.search(r"\s[?!;:](\s|$)", text), f"{where}: {text}"


def test_the_guide_is_quoted_word_by_word() -> None:
    """The words that the funds' own guide shows (ux.md §1)."""
    french = TEXTS.catalogues["fr"]
    assert french["l.register"] == "J’ai un code d’inscription"
    assert (french["r4.sms"], french["r4.app"]) == ("SMS", LABEL_OF_THE_GUIDE)
    assert (french["r5.label"], french["r5.resend"]) == ("Code SMS", "Renvoyer un code SMS")
    assert french["c.continue"] == "Continuer"
    assert "«Connect»" in french["r6.s4"]
    assert "spam" in french["r3.notReceived"]
