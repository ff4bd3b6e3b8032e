"""`connect db`: the schema."""

from __future__ import annotations

import click

from idp.cli.context import at_work
from idp.services import schema


@click.group("db")
def database() -> None:
    """The database schema."""


@database.command(epilog="Example: connect db upgrade")
def upgrade() -> None:
    """Bring the schema to the newest version; nothing to do is fine."""
    with at_work(knows_choices=False):
        before = schema.current()
        reached = schema.upgrade()
    click.echo(f"schema at {reached}" + (" already" if before == reached else f", was {before or 'empty'}"))
