"""Letters of the demonstration, each handed out once, so that tests never share a person."""

from __future__ import annotations

from datetime import date

from tests.browser.walk import Letter
from tests.support.demonstration import Demo


def read(letter: dict[str, str]) -> Letter:
    return Letter(letter["portal"], letter["code"], date.fromisoformat(letter["birth_date"]), letter["given_name"])


class Letters:
    """Persons with a name and one birth date; some have letters of both portals."""

    def __init__(self, demo: Demo) -> None:
        every = [letter for letter in demo.letters() if letter["given_name"] and letter["family_name"]]
        second = {self._person(letter): letter for letter in every if letter["portal"] == "demo-b"}
        first = [letter for letter in every if letter["portal"] == "demo-a"]
        self._singles = [read(letter) for letter in first if self._person(letter) not in second]
        self._pairs = [
            (letter["language"], read(letter), read(second[self._person(letter)]))
            for letter in first
            if self._person(letter) in second
        ]

    @staticmethod
    def _person(letter: dict[str, str]) -> tuple[str, ...]:
        return letter["given_name"], letter["family_name"], letter["birth_date"]

    def one(self) -> Letter:
        """To portal A."""
        return self._singles.pop()

    def pair(self, language: str) -> tuple[Letter, Letter]:
        """To portals A and B, in this language if there is one left."""
        at = next((at for at, pair in enumerate(self._pairs) if pair[0] == language), 0)
        _, first, second = self._pairs.pop(at)
        return first, second
