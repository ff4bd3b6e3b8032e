"""A person with a browser: reads pages, fills the one form of a step, and reads mails and SMS."""

from __future__ import annotations

import re
from functools import lru_cache
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.services.bundle import services

ISSUER = "http://localhost:8000"
OF_FORMS = re.compile(r"""<(?:form|input)\b(?:[^>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post":
            self.forms.append((given.get("action", ""), {}))
        is_off = given.get("type") in {"radio", "checkbox"} and "checked" not in given
        if tag == "input" and self.forms and "name" in given and not is_off:
            self.forms[-1][1][given["name"]] = given.get("value", "")


@lru_cache(maxsize=8)
def _forms(page: str) -> list[tuple[str, dict[str, str]]]:
    """The forms of a page with what stands in their fields. Only their tags are read: the same page is often asked."""
    parser = _Forms()
    parser.feed("".join(OF_FORMS.findall(page)))
    return parser.forms


class Person:
    """One browser. `page` is the page it shows, after every redirect within Connect."""

    issuer = ISSUER

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.page: TestResponse
        self.address = "/"

    @property
    def text(self) -> str:
        return self.page.get_data(as_text=True)

    @property
    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.text)
        return found[1] if found else ""

    def open(self, address: str) -> None:
        """GET an address and follow redirects until a page, or an address outside Connect, is reached."""
        self._arrive(self.client.get(address, base_url=self.issuer), address)

    def submit(self, form: int = 0, **fields: str) -> None:
        """Fill the page's form and press its button; `form` counts from the top, so 0 is the step itself."""
        self._arrive(*self.post(self.filled(form, **fields)))

    def filled(self, form: int = 0, **fields: str) -> tuple[str, dict[str, str]]:
        action, values = _forms(self.text)[form]
        return urljoin(self.address, action), {**values, **fields}

    def post(self, filled: tuple[str, dict[str, str]]) -> tuple[TestResponse, str]:
        return self.client.post(
            filled[0], data=filled[1], base_url=self.issuer, headers={"Origin": self.issuer}
        ), filled[0]

    def press(self, action: str) -> None:
        """A second button of the page, found by the last word of its address."""
        at = next(at for at, (address, _) in enumerate(_forms(self.text)) if f"/do/{action}" in address)
        self.submit(at)

    def errors(self) -> list[str]:
        return re.findall(r'<p class="error" id="f-(\w+)-error">', self.text)

    def _arrive(self, response: TestResponse, address: str) -> None:
        for _ in range(12):
            if response.status_code not in {302, 303}:
                break
            address = urljoin(address, response.headers["Location"]).split("#")[0]
            parts = urlsplit(address)
            if parts.netloc not in {"", urlsplit(self.issuer).netloc}:
                break
            response = self.client.get(address, base_url=self.issuer)
        self.page, self.address = response, address


def newest_message(channel: str, to: str | None = None) -> str:
    """The subject and text of the newest queued message of a channel, to anybody or to one address."""
    db.session.rollback()
    rows = db.session.scalars(
        select(OutboxMessage).where(OutboxMessage.channel == channel).order_by(OutboxMessage.id.desc())
    )
    contents = (services().outbox.open(row) for row in rows)
    content = next((one for one in contents if to in {None, one.to}), None)
    assert content is not None
    return f"{content.subject}\n{content.text}"


def newest_code(channel: str) -> str:
    found = re.search(r"\b\d{6}\b", newest_message(channel))
    assert found
    return found[0]
