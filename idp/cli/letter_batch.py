"""`connect letter batch`: batches of letters, as in the console; approved there alone, by a second person."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click
from sqlalchemy import select

from idp.cli.context import at_work, fail
from idp.cli.letter_files import check_free, keep
from idp.clock import swiss
from idp.models.base import db
from idp.models.letter_batch import BatchState, LetterBatch
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.letter_batches import BatchDeed, batches_of
from idp.services.letter_choice import REMINDED_AFTER, BatchKind, Choice
from idp.services.returned_letters import LONGEST_LIST, Reason
from idp.texts import LANGUAGES

WHOM = [kind.value for kind in BatchKind if kind is not BatchKind.CHOSEN]
PORTAL = click.option("--portal", "slug", required=True, help="slug of the portal")
NUMBER = click.option("--batch", "number", required=True, type=int, help="number of the batch at this portal")


@click.group()
def batch() -> None:
    """Batches of letters that a second person approves in the console."""


@batch.command("list", epilog="Example: connect letter batch list --portal cpx --state set")
@PORTAL
@click.option("--state", type=click.Choice([one.value for one in BatchState]), help="only batches in this state")
def show(slug: str, state: str | None) -> None:
    """The batches of a portal: number, state, for whom, letters, made on, posted on."""
    with at_work() as bundle:
        found = batches_of(None, bundle.portals.load(slug), state or "")
        for one in db.session.scalars(found.order_by(LetterBatch.number)):
            posted = f"{one.posted_on:%Y-%m-%d}" if one.posted_on else "-"
            made = f"{swiss(one.made_at):%Y-%m-%d}"
            click.echo(f"{one.number:5} {one.state:9} {one.kind:9} {one.count:6} {made} {posted}")


@batch.command(epilog="Example: connect letter batch create --portal cpx --whom never --language de")
@PORTAL
@click.option("--whom", required=True, type=click.Choice(WHOM), help="for whom the letters are")
@click.option("--language", type=click.Choice(LANGUAGES), help="only persons who read this language")
@click.option(
    "--days", default=REMINDED_AFTER[0], show_default=True, help="reminders: days since the letter was posted"
)
def create(slug: str, whom: str, language: str | None, days: int) -> None:
    """Make a draft, or several of 10,000 letters each; the worker sets what somebody approved in the console."""
    with at_work() as bundle:
        choice = Choice(bundle.portals.load(slug), BatchKind(whom), language, days)
        for made in bundle.letter_batches.draft_all(choice, None):
            click.echo(f"batch {made.number}: {made.count} letters to be approved in the console")


@batch.command("print", epilog="Example: connect letter batch print --portal cpx --batch 7 --letters letters.pdf")
@PORTAL
@NUMBER
@click.option("--letters", "out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PDF to write")
def print_letters(slug: str, number: int, out: Path) -> None:
    """Write the PDFs of a batch that is set: letters-01.pdf and so on where there are more than 1000 letters.

    Its codes are not valid yet: print the letters, delete the files, then say `connect letter batch printed`.
    """
    with at_work() as bundle:
        found = _load(bundle.portals.load(slug), number)
        parts = bundle.letter_batches.files(found)
        if not parts:
            fail(f"batch {number} is {found.state}; there are PDFs when it is set, and until it is printed")
        names = [out] if len(parts) == 1 else [out.with_stem(f"{out.stem}-{part:02}") for part, _, _ in parts]
        check_free(names)
        for name, (part, _, _) in zip(names, parts, strict=True):
            keep(name, bundle.letter_batches.open_file(found, part, None) or b"")
        db.session.commit()
        click.echo(f"{found.count} letters in {', '.join(str(name) for name in names)}")


@batch.command(epilog="Example: connect letter batch printed --portal cpx --batch 7")
@PORTAL
@NUMBER
def printed(slug: str, number: int) -> None:
    """Confirm that all letters lie on paper: the worker makes their codes valid, and the PDFs are wiped."""
    with at_work() as bundle:
        found = _load(bundle.portals.load(slug), number)
        _check(bundle, BatchDeed.PRINT, found)
        bundle.letter_batches.confirm_printed(found, None)
        db.session.commit()
        click.echo(f"batch {number} is printed; its codes are valid in a moment")


@batch.command(epilog="Example: connect letter batch posted --portal cpx --batch 7 --on 2026-03-27")
@PORTAL
@NUMBER
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="the day; today where it is left out")
def posted(slug: str, number: int, day: datetime | None) -> None:
    """Record the day on which the letters were handed to the post; reminders count from it."""
    with at_work() as bundle:
        found = _load(bundle.portals.load(slug), number)
        _check(bundle, BatchDeed.POST, found)
        on: date = day.date() if day else swiss(bundle.clock.now()).date()
        if not bundle.letter_batches.may_be_posted_on(on, found):
            fail(f"{on} is no day between the printing and today")
        bundle.letter_batches.post(found, None, on)
        db.session.commit()
        click.echo(f"batch {number} was posted on {on}")


@batch.command(epilog="Example: connect letter batch returned --portal cpx --reason moved C7K2-9PQX")
@PORTAL
@click.option("--batch", "number", type=int, help="number of the batch; then numbers of letters are taken, too")
@click.option("--reason", required=True, type=click.Choice([one.value for one in Reason]), help="what the post says")
@click.argument("letters", nargs=-1, required=True)
def returned(slug: str, number: int | None, reason: str, letters: tuple[str, ...]) -> None:
    """Record letters that came back, by reference or by number: their codes are void."""
    with at_work() as bundle:
        portal = bundle.portals.load(slug)
        if len(letters) > LONGEST_LIST:
            fail(f"{LONGEST_LIST} letters at most at a time")
        of_batch = _load(portal, number) if number is not None else None
        found = bundle.returned_letters.read(" ".join(letters), {portal.id}, of_batch)
        done = bundle.returned_letters.take_back(found.letters, Reason(reason), None)
        db.session.commit()
        click.echo(f"{done} letters came back; {len(found.before)} were known")
        for word in found.unknown:
            click.echo(f"no letter: …{word}", err=True)


@batch.command(epilog="Example: connect letter batch cancel --portal cpx --batch 7")
@PORTAL
@NUMBER
def cancel(slug: str, number: int) -> None:
    """End a batch that is not printed: none of its letters will be good."""
    with at_work() as bundle:
        found = _load(bundle.portals.load(slug), number)
        _check(bundle, BatchDeed.CANCEL, found)
        bundle.letter_batches.cancel(found, None)
        db.session.commit()
        click.echo(f"batch {number} is cancelled")


def _load(portal: Portal, number: int) -> LetterBatch:
    mine = (LetterBatch.portal_id == portal.id, LetterBatch.number == number)
    found = db.session.scalar(select(LetterBatch).where(*mine))
    if found is None:
        fail(f"there is no batch {number} at {portal.slug}")
    return found


def _check(bundle: Services, deed: BatchDeed, found: LetterBatch) -> None:
    """Ends with the words of the console where it cannot be done."""
    if refusal := bundle.letter_batches.refusal(deed, found, None):
        fail(f"batch {found.number} is {found.state}", bundle.texts.get("en", refusal))
