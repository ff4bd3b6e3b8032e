"""A portal's own words: on its pages and in its mails, plain, with the placeholders that the usual texts have."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.portal_texts import KEYS, faults_of, judged
from idp.texts import LANGUAGES, Texts
from tests.support.builders import add_portal
from tests.support.console import newest_event, said, stored
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person, newest_message

TEXTS = "/admin/portals/cpx/texts-fr"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, "olga@fund.example.ch", ["portal_admin@cpx"])
    return sign_in(web, services, "olga@fund.example.ch")


def test_every_text_that_may_be_changed_exists_and_passes_its_own_rules() -> None:
    usual = Texts.load().catalogues
    for language in LANGUAGES:
        own = {key: usual[language][key] for key in KEYS}
        assert list(faults_of({language: own})) == []
        assert judged({language: own}) == {language: own}


@pytest.mark.parametrize(
    ("key", "text", "kind"),
    [
        ("r7.body", "Sans rien", "placeholders"),
        ("r7.body", "{portal} {email} {password}", "placeholders"),
        ("r7.body", "{portal} {email} {0.__class__}", None),
        ("r1.before", "Voir https://evil.example/x", "address"),
        ("r1.before", "Voir WWW.evil.example", "address"),
        ("r1.before", "Voir evil.ch/login", "address"),
        ("r1.before", "Écrivez à a@b", "address"),
        ("r1.before", "a\nb", "line"),
        ("r1.before", "a\u2028b", "line"),
        ("r1.before", "x" * 801, "length"),
        ("m.welcome.subject", "{portal}\nBcc: x", "line"),
        ("m.welcome.body", "{email}\n\n{url}", None),
        ("r1.title", "Code", "unknown"),
        ("s.code", "{code}", "unknown"),
        ("c.never", "Dites-nous votre code", "unknown"),
    ],
)
def test_a_text_of_its_own_keeps_the_rules(key: str, text: str, kind: str | None) -> None:
    assert [fault.kind for fault in faults_of({"fr": {key: text}})] == ([kind] if kind else [])


def test_a_language_that_is_none_is_refused_and_every_fault_is_told() -> None:
    with pytest.raises(ValueError, match=r"xx l.first is no text.*; fr r7.body must have .*\{email\} \{portal\}"):
        judged({"xx": {"l.first": "Hi"}, "fr": {"r7.body": "x"}})
    assert judged({"fr": {"l.first": "  "}, "de": {"l.first": " L'x "}}) == {"de": {"l.first": "L’x"}}


def test_own_words_stand_on_the_pages_and_in_the_mails_of_the_portal_alone(
    web: Flask, services: Services, olga: Person
) -> None:
    add_portal("fon")
    olga.open(TEXTS)
    olga.submit(1, r1_before="Bienvenue <b>chez</b> nous {{7*7}}!", m_code_body="Salut {portal}\n**{code}** à {time}")
    assert "Modification enregistrée." in olga.text
    assert set(stored().texts or {}) == {"fr"}
    assert json.loads(newest_event().detail["after"])["texts"]["fr"]["r1.before"].startswith("Bienvenue")
    for slug, is_own in (("cpx", True), ("fon", False)):
        person = Person(web)
        person.open(f"/{slug}/register/code")
        assert ("Bienvenue &lt;b&gt;chez&lt;/b&gt; nous {{7*7}}\u00a0!" in person.text) == is_own
        services.outbox.mail(
            "code", to="a@b.ch", language="fr", portal=stored(slug), values={"code": "123456", "time": "14:30"}
        )
        db.session.commit()
        assert (f"Salut Caisse {slug.upper()}\n\n123456 à 14:30" in newest_message("mail", "a@b.ch")) == is_own
    person = Person(web)
    person.open("/cpx/register/code?lang=de")
    assert "Bienvenue" not in person.text
    olga.open(TEXTS)
    olga.submit(1)  # the form as the parser sees it has no text: all is as usual again
    assert stored().texts is None


def test_a_preview_saves_nothing_and_faults_are_told_at_their_fields(olga: Person) -> None:
    olga.open(TEXTS)
    olga.submit(1, l_first="Nouveau?", r7_body="{portal}, {email}", do="preview")
    assert stored().texts is None
    assert "Caisse CPX, helene@example.ch" in said(olga)
    olga.submit(1, r7_body="rien", r1_before="www.x.ch")
    assert set(olga.errors()) == {"r7_body", "r1_before"}
    assert "{email} {portal}" in said(olga)
    assert stored().texts is None


def test_texts_that_somebody_else_changed_are_not_overwritten_unseen(olga: Person) -> None:
    olga.open(TEXTS)
    stale = olga.filled(1, l_first="Deux")
    olga.submit(1, l_first="Un")
    olga._arrive(*olga.post(stale))
    assert 'id="f-other"' in olga.text
    assert stored().texts == {"fr": {"l.first": "Un"}}
