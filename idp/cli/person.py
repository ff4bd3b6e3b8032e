"""`connect person`: the insured persons of a portal."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from idp.cli.context import at_work, fail, few
from idp.models.base import db


@click.group()
def person() -> None:
    """Insured persons."""


@person.command("import", epilog="Example: connect person import persons.csv --portal cpx --dry-run")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--portal", "slug", required=True, help="slug of the portal the persons belong to")
@click.option("--dry-run", "is_dry", is_flag=True, help="only say what would be done")
def import_file(file: Path, slug: str, is_dry: bool) -> None:
    """Import or update persons from a CSV or XLSX file, all rows or none.

    CSV as UTF-8, separated by ; , or tab. The first line names the columns: external_id, insured_number, birth_date,
    language, address_1, address_2, and if you like given_name, family_name, address_3, address_4, address_5. A row
    whose external_id is known changes that person. docs/import.md says more.
    """
    with at_work() as bundle:
        portal = bundle.portals.load(slug)
        with click.progressbar(length=file.stat().st_size, label="Reading", file=sys.stderr) as bar:
            report = bundle.imports.run(file, portal, is_dry=is_dry, watch=bar.update)
        if report.errors:
            told = [f"line {at.line}, {at.field}: {at.reason}: {at.value!r}" for at in report.errors]
            fail(*few(told), "nothing was imported")
        if not is_dry:
            db.session.commit()
        would = "would be " if is_dry else ""
        click.echo(f"{report.new} {would}new, {report.changed} {would}changed, {report.unchanged} unchanged")
