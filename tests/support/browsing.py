"""Pages as somebody who clicks about sees them: the forms with what may be chosen in each, and the links."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class FoundForm:
    """`choices` are radios, checkboxes and named buttons: name → values that may be sent."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


class PageParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FoundForm] = []
        self.links: list[str] = []
        self._is_open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and given.get("href", "").startswith("/"):
            self.links.append(given["href"].split("#")[0])
        if tag == "form":
            self._is_open = given.get("method") == "post"
            if self._is_open:
                self.forms.append(FoundForm(given.get("action", "")))
        if not self._is_open or "name" not in given:
            return
        form, name, value = self.forms[-1], given["name"], given.get("value", "")
        if tag == "button" or given.get("type") in {"radio", "checkbox"}:
            form.choices.setdefault(name, []).append(value)
        elif tag in {"input", "textarea"}:
            form.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False


def parsed(html: str) -> PageParser:
    found = PageParser()
    found.feed(html)
    return found


def main_part(html: str) -> str:
    return re.sub(r".*<main|</main>.*", "", html, flags=re.DOTALL)
