"""The demonstration as a stranger's script meets it: over HTTP alone, with nothing of ours imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pyotp
import pytest
import requests
from flask import Flask

from tests.support.demonstration import ROOT, Demo, running
from tests.support.person import ISSUER

PASSWORD = "vier pferde im regen"
LARGEST_RSS_KB = 200 * 1024


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running() as started:
        yield started


class Browser:
    """Follows redirects and fills the first form of a page."""

    def __init__(self) -> None:
        self.http = requests.Session()
        self.page: requests.Response

    def open(self, address: str) -> None:
        self.page = self.http.get(address, timeout=20)

    def submit(self, **fields: str) -> None:
        action, values = first_form(self.page.text)
        values |= fields
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.page.url))
        address = urljoin(self.page.url, action)
        self.page = self.http.post(address, data=values, headers={"Origin": origin}, timeout=20)

    @property
    def heading(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.page.text)
        return found[1] if found else ""


class FirstForm(HTMLParser):
    action = ""
    seen = 0

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post":
            self.seen += 1
            self.action = given.get("action", "") if self.seen == 1 else self.action
        elif tag == "input" and self.seen == 1 and "name" in given and given.get("type") not in {"radio", "checkbox"}:
            self.fields[given["name"]] = given.get("value", "")


def first_form(html: str) -> tuple[str, dict[str, str]]:
    parser = FirstForm()
    parser.feed(html)
    return parser.action, parser.fields


def register(demo: Demo, browser: Browser, letter: dict[str, str], email: str, mobile: str) -> None:
    browser.http.headers["Accept-Language"] = letter["language"]
    browser.open(f"{demo.home}/{letter['portal']}/login")
    browser.open(f"{demo.home}/{letter['portal']}/register/code")
    browser.submit(code=letter["code"])
    before = demo.count()
    browser.submit(email=email)
    browser.submit(otp=demo.code("mail", email, before))
    born = date.fromisoformat(letter["birth_date"])
    before = demo.count()
    browser.submit(
        birth_date=f"{born.day}.{born.month}.{born.year}", password=PASSWORD, factor="sms", mobile=mobile, terms="yes",
        given_name="Zoë", family_name="Muster",
    )  # fmt: skip
    browser.submit(otp=demo.code("sms", mobile.replace(" ", ""), before))


def test_a_stranger_registers_lands_in_both_portals_and_signs_out(demo: Demo) -> None:
    browser = Browser()
    letter = demo.letter(portal="demo-a", language="fr")
    register(demo, browser, letter, "helene@example.ch", "+41 79 123 45 67")
    assert browser.heading == "Votre inscription est terminée"
    entrance = re.search(r'class="button" href="([^"]+)"', browser.page.text)
    assert entrance
    browser.open(entrance[1].replace("&amp;", "&"))
    assert browser.page.url == f"http://localhost:{demo.port + 1}/"
    assert "My pension certificate" in browser.page.text
    assert letter["family_name"] in browser.page.text

    second = demo.letter(portal="demo-b", birth_date=letter["birth_date"], family_name=letter["family_name"])
    browser.open(f"http://localhost:{demo.port + 2}/login")
    browser.submit(code=second["code"])
    born = date.fromisoformat(second["birth_date"])
    browser.submit(birth_date=f"{born.day}.{born.month}.{born.year}")
    assert "My pension certificate" in browser.page.text
    assert demo.letter(code=second["code"])["state"] == "redeemed"

    browser.submit()  # the portal's own sign-out
    assert "You are signed out" in browser.page.text
    browser.open(f"http://localhost:{demo.port + 2}/login")
    assert browser.heading == "Connexion à Fondation Démo B"
    before = demo.count()
    browser.submit(email="helene@example.ch", password=PASSWORD)
    browser.submit(otp=demo.code("sms", "+41791234567", before))
    assert browser.page.url == f"http://localhost:{demo.port + 2}/"
    browser.open(f"http://localhost:{demo.port + 1}/login")  # single sign-on: without a question
    assert browser.page.url == f"http://localhost:{demo.port + 1}/"
    assert "My pension certificate" in browser.page.text


def test_the_web_process_is_small(demo: Demo) -> None:
    sizes = {name: size for name, size in descendants(demo.process.pid) if "granian" in name}
    assert sizes
    assert max(sizes.values()) <= LARGEST_RSS_KB, sizes


def descendants(pid: int) -> list[tuple[str, int]]:
    """Command line and resident size in KB of every process below `pid`."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        status = Path(f"/proc/{child}/status").read_text()
        resident = re.search(r"VmRSS:\s+(\d+)", status)
        name = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        found += [(name, int(resident[1]) if resident else 0), *descendants(int(child))]
    return found


def test_the_pages_and_letters_of_the_demonstration(demo: Demo) -> None:
    page = requests.get(f"{demo.home}/demo", timeout=10)
    assert page.status_code == 200
    assert "Démonstration" in page.text
    pdf = requests.get(f"{demo.home}/demo/letters-demo-a.pdf", timeout=10)
    assert pdf.content.startswith(b"%PDF")
    letters: list[dict[str, Any]] = requests.get(f"{demo.home}/demo/letters.json", timeout=10).json()
    assert len(letters) == 200
    assert {one["language"] for one in letters} == {"fr", "de", "it", "en"}


def test_a_port_in_use_is_said(demo: Demo) -> None:
    done = subprocess.run(
        [sys.executable, "dev.py", "demo", "--port", str(demo.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert f"port {demo.port} is in use" in done.stderr


def test_outside_the_demonstration_there_is_no_such_page(web: Flask) -> None:
    for path in ("/demo", "/demo/inbox.json", "/demo/letters.json", "/demo/letters-cpx.pdf", "/demo/recovery-cpx.pdf"):
        assert web.test_client().get(path, base_url=ISSUER).status_code == 404
    assert "CONNECT_DEMO_FOLDER" not in os.environ


def test_the_invitation_in_the_inbox_opens_the_console(demo: Demo) -> None:
    found = re.search(r"/admin/invitation#(\w+)", requests.get(f"{demo.home}/demo/inbox.json", timeout=20).text)
    assert found
    operator = Browser()
    operator.open(f"{demo.home}/admin/invitation")
    operator.submit(code=found[1])
    seed = re.search(r'data-copy="([A-Z2-7]{32})"', operator.page.text)
    assert seed
    operator.submit(given_name="Olga", family_name="Meier", password=PASSWORD, otp=pyotp.TOTP(seed[1]).now())
    assert operator.page.url == f"{demo.home}/admin"
    assert '<p class="banner">' in operator.page.text  # here too: no real data


def test_a_slow_machine_says_what_to_open_and_nothing_else() -> None:
    """Its statements are slow, and the first lines are those for the newcomer all the same."""
    slow = (
        "from examples import demo; made = demo.environment; "
        "demo.environment = lambda *given: made(*given) | {'CONNECT_SLOW_QUERY_MS': '1'}; demo.main()"
    )
    with running("-c", slow) as started:
        assert requests.get(f"http://localhost:{started.port}/livez", timeout=10).ok
