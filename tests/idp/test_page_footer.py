"""The footer is drawn once for many pages: it is that of the page's portal, in its language, as the portal is now."""

from __future__ import annotations

import re

from flask import Flask

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.portal_texts import KEYS
from tests.house.tree import ROOT
from tests.support.builders import add_portal
from tests.support.person import Person


def footer(web: Flask, address: str) -> str:
    person = Person(web)
    person.open(address)
    return person.text.split("<footer>")[1].split("</footer>")[0]


def test_each_portal_and_language_has_its_own(web: Flask, portal: Portal) -> None:
    add_portal("fon", phone="021 000 00 21")
    for _ in range(2):
        assert f'<a href="mailto:{portal.email}">' in footer(web, f"/{portal.slug}/login")
        assert '<a href="tel:0210000021">021 000 00 21</a>' in footer(web, "/fon/login")
        assert 'href="/help?portal=fon">Hilfe' in footer(web, "/fon/login?lang=de")
        assert 'href="/help">Aide' in footer(web, "/")


def test_what_a_portal_changes_stands_on_the_next_page(web: Flask, portal: Portal) -> None:
    assert portal.phone in footer(web, f"/{portal.slug}/login")
    portal.phone = "031 777 66 55"
    db.session.commit()
    assert "tel:0317776655" in footer(web, f"/{portal.slug}/login")


def test_what_a_portal_is_called_is_text(web: Flask, portal: Portal) -> None:
    portal.names, portal.hours = {"fr": "<b>Caisse</b>"}, {"fr": "<i>8 h</i>"}
    db.session.commit()
    drawn = footer(web, f"/{portal.slug}/login")
    assert "&lt;b&gt;Caisse&lt;/b&gt;" in drawn
    assert "<i>8" not in drawn


def test_no_portal_says_any_of_it_in_words_of_its_own() -> None:
    drawn = set(re.findall(r"_\('([\w.]+)'\)", (ROOT / "templates/parts/footer.html").read_text(encoding="utf-8")))
    assert {"c.help", "c.never", "f.terms"} <= drawn
    assert not (drawn | {"c.contact", "c.contact.own", "c.contact.letter"}) & set(KEYS)
