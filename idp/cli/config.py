"""`connect config`: portals as a file that can be kept beside other configuration, compared and applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from idp.cli.context import at_work, fail
from idp.models.base import db
from idp.services.portal_config import Difference
from idp.services.portal_file import read, write

SHOWN_ONCE = "Secrets are shown this once; `connect portal secret` makes new ones."
LONGEST = 200


@click.group()
def config() -> None:
    """Portals as a YAML file: exported, compared, applied."""


@config.command(epilog="Example: connect config export > connect.yaml")
@click.option("--portal", "slugs", multiple=True, help="slug of one portal; may be repeated, else all")
def export(slugs: tuple[str, ...]) -> None:
    """Print the portals as YAML, without any secret. What stands at its default is left out."""
    with at_work() as bundle:
        click.echo(write(bundle.portal_config.export(slugs)), nl=False)


@config.command(epilog="Example: connect config apply connect.yaml --dry-run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", "is_dry", is_flag=True, help="only show what would change")
@click.option("--yes", "is_sure", is_flag=True, help="do not ask")
def apply(file: Path, is_dry: bool, is_sure: bool) -> None:
    """Make the portals what the file says: shows the difference, asks, and changes all or nothing.

    A portal that is not in the file is left alone. Applying the same file again changes nothing.
    """
    with at_work() as bundle:
        wanted = read(_text(file))
        differences = bundle.portal_config.differences(wanted)
        for line in _lines(differences):
            click.echo(line)
        if others := bundle.portal_config.left_alone(wanted):
            click.echo(f"not in the file and left alone: {' '.join(others)}", err=True)
        if not differences:
            click.echo("nothing changes")
        if is_dry or not differences:
            return
        if not is_sure and not click.confirm(f"Change {len(differences)} portals?"):
            fail("nothing was changed")
        db.session.rollback()  # nobody waited for the answer
        if _lines(bundle.portal_config.differences(wanted)) != _lines(differences):
            fail("somebody changed the portals meanwhile; nothing was done, start again")
        secrets = bundle.portal_config.apply(differences)
        db.session.commit()
        for slug, (client_id, secret) in secrets.items():
            click.echo(f"{slug}  client_id {client_id}  client_secret {secret}")
        click.echo(SHOWN_ONCE if secrets else f"{len(differences)} portals changed")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except ValueError:
        fail(f"{file} is no text in UTF-8")


def _lines(differences: list[Difference]) -> list[str]:
    """As `diff` writes it."""
    lines = []
    for one in differences:
        lines.append(f"portal {one.slug}{' (new)' if one.is_new else ''}")
        for name, (before, after) in one.fields.items():
            lines += [] if one.is_new else [f"  - {name}: {_shown(before)}"]
            lines.append(f"  + {name}: {_shown(after)}")
    return lines


def _shown(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
