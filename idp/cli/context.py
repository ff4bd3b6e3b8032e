"""What every command starts with: the settings, the services, and an application context around the work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from idp.errors import BadInput
from idp.models.base import db
from idp.services.assembly import bare_app, build_services
from idp.services.bundle import Services, services
from idp.settings import Settings, SettingsError
from keys import MasterKeyError

WRONG_SETTINGS, WRONG_INPUT, NO_DATABASE = 2, 1, 3


@contextmanager
def at_work() -> Iterator[Services]:
    """The services on the configured database. What was not committed is rolled back; faults end with words."""
    try:
        app = bare_app(build_services(Settings.from_environ()))
    except SettingsError as error:
        fail(*error.faults, code=WRONG_SETTINGS)
    except MasterKeyError as error:
        fail(str(error), code=WRONG_SETTINGS)
    with app.app_context():
        try:
            yield services()
        except BadInput as error:
            fail(error.message)
        except (OperationalError, ProgrammingError) as error:
            fail(
                f"the database did not answer as expected ({type(error.orig).__name__})",
                "run `connect check`, and `connect db upgrade` after an update",
                code=NO_DATABASE,
            )
        finally:
            db.session.rollback()


def fail(*lines: str, code: int = WRONG_INPUT) -> NoReturn:
    """Say what is wrong, one line each on stderr, and end with a non-zero code."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(code)
