"""What every command starts with: the settings, the services, and an application context around the work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from idp.errors import BadInput
from idp.models.base import db
from idp.services.assembly import bare_app, build_services
from idp.services.bundle import Services, services
from idp.settings import Settings, SettingsError
from keys import MasterKeyError

WRONG_SETTINGS, WRONG_INPUT, NO_DATABASE = 2, 1, 3
MOST_LINES = 50


@contextmanager
def at_work(*, knows_choices: bool = True) -> Iterator[Services]:
    """The services on the configured database. What was not committed is rolled back; faults end with words.

    Without `knows_choices` the database is not asked before the command does, and the settings are the environment's.
    """
    with _application().app_context():
        try:
            if knows_choices:
                services().live.refresh()
            yield services()
        except BadInput as error:
            fail(*few(error.message.splitlines()))
        except DBAPIError as error:
            fail(*in_words(error), code=NO_DATABASE)
        finally:
            db.session.remove()
            db.engine.dispose()


def _application() -> Flask:
    try:
        return bare_app(build_services(Settings.from_environ()))
    except SettingsError as error:
        fail(*error.faults, code=WRONG_SETTINGS)
    except MasterKeyError as error:
        fail(str(error), code=WRONG_SETTINGS)
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        fail("PostgreSQL needs the package psycopg: install connect-idp[postgres]", code=WRONG_SETTINGS)


def in_words(error: DBAPIError) -> list[str]:
    """What the database said, as far as it cannot be personal data."""
    if isinstance(error, IntegrityError):
        return ["somebody else changed the same records meanwhile; nothing was done, start again"]
    if isinstance(error, OperationalError | ProgrammingError):
        said = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
        return [f"database: {said}", "`connect check` says what is wrong; after an update run `connect db upgrade`"]
    return [f"database: {type(error.orig).__name__}"]


def few(lines: list[str]) -> list[str]:
    """As many lines as somebody reads."""
    rest = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], f"… and {rest} more"] if rest > 0 else lines


def fail(*lines: str, code: int = WRONG_INPUT) -> NoReturn:
    """Say what is wrong, one line each on stderr, and end with a non-zero code."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)
