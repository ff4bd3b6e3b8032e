"""`connect code`: registration codes and their letters."""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy import select

from idp.cli.context import at_work, fail
from idp.cli.letter_files import check_free, file_names, write
from idp.clock import swiss
from idp.errors import BadInput
from idp.models.base import db
from idp.models.person import REGISTER, InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services


@click.group()
def code() -> None:
    """Registration codes and letters."""


@code.command(epilog="Example: connect code issue --portal cpx --all-uninvited --letters letters.pdf")
@click.option("--portal", "slug", required=True, help="slug of the portal")
@click.option("--person", "external_ids", multiple=True, help="external_id of one person; may be repeated")
@click.option("--all-uninvited", "is_all", is_flag=True, help="everybody who has neither account nor letter yet")
@click.option("--ordered", "is_ordered", is_flag=True, help="everybody for whom the support desk ordered a letter")
@click.option("--letters", "out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="PDF to write")
def issue(slug: str, external_ids: tuple[str, ...], is_all: bool, is_ordered: bool, out: Path) -> None:
    """Issue codes and write their letters into one PDF. A new code voids the person's earlier one.

    The codes stand in the PDF and nowhere else: print it, then delete it. More than 1000 letters are written as
    letters-01.pdf, letters-02.pdf and so on.
    """
    if [bool(external_ids), is_all, is_ordered].count(True) != 1:
        fail("say whom: either --person (once or more), --all-uninvited or --ordered")
    with at_work() as bundle:
        portal = bundle.portals.load(slug)
        if portal.is_disabled:
            fail(f"portal {slug} is disabled; nobody could sign in")
        persons = _whom(bundle, portal, external_ids, is_all=is_all)
        if not persons:
            fail("nobody waits for a letter; nothing was written")
        files = file_names(out, len(persons))
        check_free(files)
        letters = bundle.letters.compose(portal, persons)
        db.session.expunge_all()
        db.session.rollback()  # nothing is held while the letters are set
        write(letters, files, bundle.letters.render, bundle.letters.issue)
        click.echo(f"{len(persons)} letters in {', '.join(str(file) for file in files)}")


def _whom(bundle: Services, portal: Portal, external_ids: tuple[str, ...], *, is_all: bool) -> list[InsuredPerson]:
    if external_ids:
        return _persons(portal, external_ids)
    return bundle.letters.uninvited(portal) if is_all else bundle.letters.ordered(portal)


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
            .where(InsuredPerson.portal_id == portal.id, RegistrationCode.purpose == REGISTER)
            .order_by(InsuredPerson.external_id, RegistrationCode.issued_at)
        )
        for row, external_id in rows:
            if state in {None, row.state(now)}:
                days = f"{swiss(row.issued_at):%Y-%m-%d} {swiss(row.expires_at):%Y-%m-%d}"
                click.echo(f"{external_id:20} {row.state(now):9} {days}")
