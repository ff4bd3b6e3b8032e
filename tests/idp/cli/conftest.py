"""The command `connect` in this process, on the database of the test."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from idp.cli.main import main
from idp.models.base import db


class Refused(AssertionError):
    """A command that should have done its work did not."""


class Connect:
    """Types commands; what they said is the answer."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.noted = ""

    def __call__(self, *words: str | Path) -> str:
        """What a successful command wrote to its output; `noted` has what it said besides."""
        code, said, self.noted = self.type(*words)
        if code:
            raise Refused(f"{words}: {code} {said} {self.noted}")
        return said

    def refuses(self, *words: str | Path, code: int = 1) -> str:
        """What a command said that ended with this code and did nothing."""
        ended, said, noted = self.type(*words)
        assert ended == code, (words, ended, said, noted)
        assert "Traceback" not in noted
        return noted

    def type(self, *words: str | Path) -> tuple[int, str, str]:
        result = CliRunner(env=dict(self.environment)).invoke(main, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def connect(app: Flask, environment: dict[str, str]) -> Connect:
    """The command on the database of `app`; the test sees what it stored."""
    db.session.remove()
    return Connect(environment)


@pytest.fixture
def fresh(environment: dict[str, str]) -> Connect:
    """The command where nothing is installed yet."""
    return Connect(environment)


CPX = (
    "--slug", "cpx", "--name-fr", "Caisse X", "--name-de", "Kasse X", "--short-name", "Caisse X", "--place", "Bern",
    "--phone", "058 123 45 67", "--email", "aide@cpx.example.ch", "--home-url", "https://cpx.example.ch/",
    "--redirect-uri", "https://cpx.example.ch/callback",
)  # fmt: skip
PERSONS = (
    "external_id;insured_number;given_name;family_name;birth_date;language;address_1;address_2\n"
    "P-1;N-1;Hélène;Müller;27.3.1958;fr;Rue du Lac 1;1000 Lausanne\n"
    "P-2;N-2;Urs;Wyss;1.2.1960;de;Gasse 2;3011 Bern\n"
    "P-3;N-3;Gianna;Ñuñez;3.4.1970;it;Via 3;6900 Lugano\n"
)


@pytest.fixture
def cpx(connect: Connect, tmp_path: Path) -> Connect:
    """The command, with a portal `cpx` of three persons."""
    file = tmp_path / "three.csv"
    file.write_text(PERSONS, encoding="utf-8")
    connect("portal", "add", *CPX)
    connect("person", "import", file, "--portal", "cpx")
    return connect
