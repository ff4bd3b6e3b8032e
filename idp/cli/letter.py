"""`connect letter`: the recovery letters that people ask for who lost their second factor, and batches of letters."""

from __future__ import annotations

from pathlib import Path

import click

from idp.cli.context import at_work, fail
from idp.cli.letter_batch import batch
from idp.cli.letter_files import check_free, file_names, write
from idp.clock import swiss
from idp.models.base import db


@click.group()
def letter() -> None:
    """Recovery letters that people asked for, and batches of letters."""


@letter.command("print", epilog="Example: connect letter print --portal cpx --letters recovery.pdf")
@click.option("--portal", "slug", required=True, help="slug of the portal")
@click.option("--letters", "out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PDF to write")
def print_letters(slug: str, out: Path) -> None:
    """Write every letter that waits into one PDF; each gets a code that is good for 30 days.

    The codes stand in the PDF and nowhere else: print it, post the letters the same day, then delete it. A new letter
    voids the code of the person's earlier one.
    """
    with at_work() as bundle:
        portal = bundle.portals.load(slug)
        letters = bundle.recovery_letters.compose(portal)
        if not letters:
            click.echo("no letter waits; nothing was written")
            return
        files = file_names(out, len(letters))
        check_free(files)
        db.session.expunge_all()
        db.session.rollback()  # nothing is held while the letters are set
        write(letters, files, bundle.letters.render, bundle.recovery_letters.issue)
        click.echo(f"{len(letters)} letters in {', '.join(str(file) for file in files)}")


@letter.command("list", epilog="Example: connect letter list --portal cpx --state waiting")
@click.option("--portal", "slug", required=True, help="slug of the portal")
@click.option(
    "--state",
    type=click.Choice(["waiting", "printed", "used", "cancelled", "expired"]),
    help="only letters in this state",
)
def show(slug: str, state: str | None) -> None:
    """The recovery letters of a portal: person, state, asked for on, printed on. Their codes are nowhere kept."""
    with at_work() as bundle:
        now = bundle.clock.now()
        for one in bundle.recovery_letters.of_portal(bundle.portals.load(slug)):
            if state in {None, one.state(now)}:
                printed = f"{swiss(one.printed_at):%Y-%m-%d}" if one.printed_at else "-"
                day = f"{swiss(one.requested_at):%Y-%m-%d}"
                click.echo(f"{one.person.external_id:20} {one.state(now):9} {day} {printed}")


@letter.command(epilog="Example: connect letter cancel --portal cpx --person P-1042")
@click.option("--portal", "slug", required=True, help="slug of the portal")
@click.option("--person", "external_id", required=True, help="external_id of the person")
def cancel(slug: str, external_id: str) -> None:
    """Stop a person's letter and void its code, for instance when the person did not ask for it."""
    with at_work() as bundle:
        portal, now = bundle.portals.load(slug), bundle.clock.now()
        of_person = [one for one in bundle.recovery_letters.of_portal(portal) if one.person.external_id == external_id]
        if not of_person:
            fail(f"no letter was asked for by {external_id!r} at {slug}")
        going = [one for one in of_person if one.state(now) in {"waiting", "printed"}]
        done = [bundle.recovery_letters.stop(one) for one in going]
        db.session.commit()
        click.echo(f"{sum(done)} letter cancelled" if any(done) else "there was no open letter")


letter.add_command(batch)
