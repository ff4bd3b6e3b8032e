"""`connect config`: portals and settings as a file that is kept beside other configuration, compared and applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from idp.cli.context import at_work, fail
from idp.errors import BadInput
from idp.models.base import db
from idp.services.bundle import Services
from idp.services.portal_config import Difference
from idp.services.portal_file import PortalFile, read, write
from idp.services.setting_changes import Change

SHOWN_ONCE = "Secrets are shown this once; `connect portal secret` makes new ones."
LONGEST = 200


@click.group()
def config() -> None:
    """Portals and settings as a YAML file: exported, compared, applied."""


@config.command(epilog="Example: connect config export > connect.yaml")
@click.option(
    "--portal", "slugs", multiple=True, help="slug of one portal; may be repeated, else all, and the settings"
)
def export(slugs: tuple[str, ...]) -> None:
    """Print portals and chosen settings as YAML, without any secret. What stands at its default is left out."""
    with at_work() as bundle:
        settings = None if slugs else bundle.setting_config.export()
        click.echo(write(bundle.portal_config.export(slugs), settings), nl=False)


@config.command(epilog="Example: connect config apply connect.yaml --dry-run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", "is_dry", is_flag=True, help="only show what would change")
@click.option("--yes", "is_sure", is_flag=True, help="do not ask")
def apply(file: Path, is_dry: bool, is_sure: bool) -> None:
    """Make portals and settings what the file says: shows the difference, asks, and changes all or nothing.

    A portal that is not in the file is left alone. Where the file has settings, one that is not among them is the
    environment's again. Applying the same file again changes nothing.
    """
    with at_work() as bundle:
        wanted = read(_text(file))
        portals, settings, seen = _differences(bundle, wanted)
        for line in _lines(portals, settings):
            click.echo(line)
        if others := bundle.portal_config.left_alone(wanted):
            click.echo(f"not in the file and left alone: {' '.join(others)}", err=True)
        if not portals and not settings:
            click.echo("nothing changes")
            return
        if is_dry:
            return
        if not is_sure and not click.confirm(f"Change {_count(portals, settings)}?"):
            fail("nothing was changed")
        db.session.rollback()  # nobody waited for the answer
        if _differences(bundle, wanted) != (portals, settings, seen):
            fail("somebody changed the same meanwhile; nothing was done, start again")
        if settings:
            bundle.setting_config.apply(wanted, seen)
        secrets = bundle.portal_config.apply(portals)
        db.session.commit()
        for slug, (client_id, secret) in secrets.items():
            click.echo(f"{slug}  client_id {client_id}  client_secret {secret}")
        click.echo(SHOWN_ONCE if secrets else f"{_count(portals, settings)} changed")


def _differences(bundle: Services, wanted: PortalFile) -> tuple[list[Difference], tuple[Change, ...], int]:
    """Of portals and of settings, every fault of both at once, and the version of the settings."""
    found, faults = list[Difference](), list[str]()
    changes: tuple[Change, ...] = ()
    try:
        found = bundle.portal_config.differences(wanted)
    except BadInput as error:
        faults.append(error.message)
    try:
        changes = bundle.setting_config.differences(wanted)
    except BadInput as error:
        faults.append(error.message)
    if faults:
        raise BadInput("\n".join(faults))
    return found, changes, bundle.setting_config.version()


def _count(portals: list[Difference], settings: tuple[Change, ...]) -> str:
    parts = [f"{len(portals)} portals" if portals else "", f"{len(settings)} settings" if settings else ""]
    return " and ".join(part for part in parts if part)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except ValueError:
        fail(f"{file} is no text in UTF-8")


def _lines(differences: list[Difference], settings: tuple[Change, ...]) -> list[str]:
    """As `diff` writes it."""
    lines = []
    for change in settings:
        lines += [f"setting {change.name}", f"  - {change.before}", f"  + {change.after}"]
    for one in differences:
        lines.append(f"portal {one.slug}{' (new)' if one.is_new else ''}")
        for name, (before, after) in one.fields.items():
            lines += [] if one.is_new else [f"  - {name}: {_shown(before)}"]
            lines.append(f"  + {name}: {_shown(after)}")
    return lines


def _shown(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
