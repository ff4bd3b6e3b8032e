"""`connect code`: registration codes and their letters."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from sqlalchemy import select

from idp.cli.context import at_work, fail
from idp.clock import swiss
from idp.errors import BadInput
from idp.models.base import db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.letters import Letter

LETTERS_PER_FILE = 1000


@click.group()
def code() -> None:
    """Registration codes and letters."""


@code.command(epilog="Example: connect code issue --portal cpx --all-uninvited --letters letters.pdf")
@click.option("--portal", "slug", required=True, help="slug of the portal")
@click.option("--person", "external_ids", multiple=True, help="external_id of one person; may be repeated")
@click.option("--all-uninvited", "is_all", is_flag=True, help="everybody who has neither account nor letter yet")
@click.option("--letters", "out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PDF to write")
def issue(slug: str, external_ids: tuple[str, ...], is_all: bool, out: Path) -> None:
    """Issue codes and write their letters into one PDF. A new code voids the person's earlier one.

    The codes stand in the PDF and nowhere else: print it, then delete it. More than 1000 letters are written as
    letters-01.pdf, letters-02.pdf and so on.
    """
    if is_all == bool(external_ids):
        fail("say whom: either --person (once or more) or --all-uninvited")
    with at_work() as bundle:
        portal = bundle.portals.load(slug)
        if portal.is_disabled:
            fail(f"portal {slug} is disabled; nobody could sign in")
        persons = bundle.letters.uninvited(portal) if is_all else _persons(portal, external_ids)
        if not persons:
            fail("nobody is without a letter; nothing was written")
        files = _file_names(out, len(persons))
        _check_free(files)
        letters = bundle.letters.compose(portal, persons)
        db.session.expunge_all()
        db.session.rollback()  # nothing is held while the letters are set
        _write(bundle, letters, files)
        click.echo(f"{len(persons)} letters in {', '.join(str(file) for file in files)}")


def _file_names(out: Path, count: int) -> list[Path]:
    number = -(-count // LETTERS_PER_FILE)
    return [out] if number == 1 else [out.with_stem(f"{out.stem}-{at:02}") for at in range(1, number + 1)]


def _half(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def _check_free(files: list[Path]) -> None:
    if not files[0].parent.is_dir():
        fail(f"there is no folder {files[0].parent}")
    for file in files:
        if file.exists():
            fail(f"{file} exists already; letters are never written over")
        if _half(file).exists():
            fail(
                f"{_half(file)} is left from a run that was stopped at its very end;",
                f"if `connect code list` shows that its codes were issued, rename it to {file.name}, else delete it",
            )


def _write(bundle: Services, letters: list[Letter], files: list[Path]) -> None:
    """The PDFs first, then the codes, then the PDFs' names: whatever fails, no valid code is without its letter."""
    lots = [letters[at : at + LETTERS_PER_FILE] for at in range(0, len(letters), LETTERS_PER_FILE)]
    pdfs = []
    with click.progressbar(length=len(letters), label="Setting letters", file=sys.stderr) as bar:
        for lot in lots:
            pdfs.append(bundle.letters.render(lot))
            bar.update(len(lot))
    bundle.letters.issue(letters)
    try:
        for file, pdf in zip(files, pdfs, strict=True):
            _write_privately(_half(file), pdf)
    except BaseException as error:
        for file in files:
            _half(file).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BadInput(f"the letters could not be written: {error.strerror}") from None
        raise
    db.session.commit()  # from here on the letters are good, and only their names are missing
    for file in files:
        _half(file).replace(file)


def _write_privately(path: Path, content: bytes) -> None:
    """A new file that only we can read, on the disk when this returns."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _persons(portal: Portal, external_ids: tuple[str, ...]) -> list[InsuredPerson]:
    found = {
        person.external_id: person
        for person in db.session.scalars(
            select(InsuredPerson).where(
                InsuredPerson.portal_id == portal.id, InsuredPerson.external_id.in_(external_ids)
            )
        )
    }
    missing = [ident for ident in external_ids if ident not in found]
    if missing:
        raise BadInput("\n".join(f"there is no person {ident!r} at {portal.slug}" for ident in missing))
    registered = [ident for ident, person in found.items() if person.account_id]
    if registered:
        raise BadInput("\n".join(f"{ident!r} is registered already" for ident in registered))
    return list(found.values())


@code.command(epilog="Example: connect code revoke --portal cpx --person P-1042")
@click.option("--portal", "slug", required=True, help="slug of the portal")
@click.option("--person", "external_id", required=True, help="external_id of the person")
def revoke(slug: str, external_id: str) -> None:
    """Void a person's open code, for instance when the letter came back."""
    with at_work() as bundle:
        portal = bundle.portals.load(slug)
        persons = _persons(portal, (external_id,))
        count = sum(bundle.registration_codes.revoke(person) for person in persons)
        if count:
            bundle.audit.record(AuditTag.CODE_REVOKED, person=persons[0].id, portal=portal.id)
        db.session.commit()
        click.echo(f"{count} code voided" if count else "there was no open code")


@code.command("list", epilog="Example: connect code list --portal cpx --state issued")
@click.option("--portal", "slug", required=True, help="slug of the portal")
@click.option(
    "--state",
    type=click.Choice(["issued", "reserved", "redeemed", "expired", "revoked"]),
    help="only codes in this state",
)
def show(slug: str, state: str | None) -> None:
    """The codes of a portal: person, state, issued on, last day. The codes themselves are nowhere kept."""
    with at_work() as bundle:
        portal, now = bundle.portals.load(slug), bundle.clock.now()
        rows = db.session.execute(
            select(RegistrationCode, InsuredPerson.external_id)
            .join(InsuredPerson, InsuredPerson.id == RegistrationCode.insured_person_id)
            .where(InsuredPerson.portal_id == portal.id)
            .order_by(InsuredPerson.external_id, RegistrationCode.issued_at)
        )
        for row, external_id in rows:
            if state in {None, row.state(now)}:
                days = f"{swiss(row.issued_at):%Y-%m-%d} {swiss(row.expires_at):%Y-%m-%d}"
                click.echo(f"{external_id:20} {row.state(now):9} {days}")
