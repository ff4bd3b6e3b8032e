"""The language links of error pages work: the same page again in another language, which is remembered (ux.md §3.1)."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask

from idp.models.portal import Portal
from idp.texts import LANGUAGES, Texts
from tests.support.person import Person
from tests.support.relying_party import RelyingParty

TEXTS = Texts.load()
LINK = re.compile(r'<a href="([^"]+)" lang="(\w\w)" hreflang="\2">')


@pytest.mark.parametrize(
    ("address", "key", "status"),
    [
        ("/authorize?client_id=nobody&state=a%26b", "x.client", 400),
        ("/authorize?client_id=nobody&lang=it", "x.client", 400),
        ("/authorize/resume/nothing", "x.login", 410),
        ("/nowhere/at/all?a=b", "x.404", 404),
    ],
)
def test_each_link_leads_to_the_same_page_in_its_language(
    web: Flask, portal: Portal, address: str, key: str, status: int
) -> None:
    person = Person(web)
    person.open(address)
    links = {language: unescape(link) for link, language in LINK.findall(person.text)}
    assert len(links) == len(LANGUAGES) - 1
    for language, link in links.items():
        person.open(link)
        assert (person.page.status_code, person.title) == (status, TEXTS.get(language, f"{key}.title"))
        assert f'<html lang="{language}"' in person.text
        assert "a%26b" in person.text or "a%26b" not in address
        cookie = person.client.get_cookie("connect_lang", domain="localhost")
        assert cookie is not None
        assert cookie.value == language


def test_a_portals_own_parameter_changes_no_language_where_all_is_well(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request(lang="it"))
    assert person.address.startswith(rp.redirect_uri)
    assert person.client.get_cookie("connect_lang", domain="localhost") is None
