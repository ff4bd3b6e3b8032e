"""`connect portal`: the relying parties."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import click

from idp.cli.context import at_work, fail
from idp.cli.portal_options import FIELDS, given, options_for
from idp.clock import swiss
from idp.models.base import db
from idp.services.invites import OPERATOR_FIELDS
from idp.services.portals import fields_of

SHOWN_ONCE = "The secret is shown this once; `connect portal secret` makes a new one."


@click.group()
def portal() -> None:
    """Portals: the relying parties persons sign in to."""


@portal.command(
    epilog="Example: connect portal add --slug cpx --name-fr 'Caisse X' --short-name 'Caisse X' "
    "--phone '058 123 45 67' --email aide@cpx.example.ch --home-url https://cpx.example.ch/ --redirect-uri https://cpx.example.ch/callback"
)
@click.option("--slug", help="stands in addresses and on letters, never changes")
@options_for(FIELDS)
@click.option("--json", "as_json", is_flag=True, help="answer as JSON")
def add(slug: str | None, as_json: bool, **options: Any) -> None:
    """Register a portal. Its client secret is shown this once.

    Needed are --slug, --name-fr, --short-name, --phone, --email, --home-url and --redirect-uri, or --from a file.
    """
    said = given(options)
    if slug is not None:
        said["slug"] = slug
    with at_work() as bundle:
        made, secret = bundle.portals.add(said)
        db.session.commit()
        shown = {"slug": made.slug, "client_id": made.client_id, "client_secret": secret}
        if as_json:
            click.echo(json.dumps(shown))
            return
        click.echo(f"portal {made.slug} registered\nclient_id      {made.client_id}")
        if secret:
            click.echo(f"client_secret  {secret}\n{SHOWN_ONCE}")


@portal.command("list", epilog="Example: connect portal list")
@click.option("--json", "as_json", is_flag=True, help="answer as JSON")
def show_all(as_json: bool) -> None:
    """Every portal."""
    with at_work() as bundle:
        rows = [
            {"slug": row.slug, "client_id": row.client_id, "name": row.names["fr"], "disabled": row.is_disabled}
            for row in bundle.portals.all()
        ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        click.echo("there is no portal yet: `connect portal add --help`", err=True)
    for row in rows:
        click.echo(f"{row['slug']:20} {row['client_id']:40} {row['name']}{' (disabled)' if row['disabled'] else ''}")


@portal.command(epilog="Example: connect portal show cpx")
@click.argument("slug")
def show(slug: str) -> None:
    """Everything about one portal but its secret, as JSON that `--from` reads."""
    with at_work() as bundle:
        click.echo(json.dumps(fields_of(bundle.portals.load(slug)), ensure_ascii=False, indent=2))


@portal.command(epilog="Example: connect portal update cpx --phone '058 765 43 21' --code-life-days 60")
@click.argument("slug")
@options_for(FIELDS)
def update(slug: str, **options: Any) -> None:
    """Change a portal; what is not said stays."""
    with at_work() as bundle:
        changes = given(options, bundle.portals.load(slug))
        if not changes:
            fail("say what shall change; `connect portal update --help` lists the fields")
        _, secret = bundle.portals.update(slug, changes)
        db.session.commit()
        click.echo(f"portal {slug} changed")
        if secret:
            click.echo(f"client_secret  {secret}\n{SHOWN_ONCE}")


@portal.command(epilog="Example: connect portal secret cpx --keep-old-days 14")
@click.argument("slug")
@click.option("--keep-old-days", type=click.IntRange(1, 90), help="how long the old one stays good beside it")
def secret(slug: str, keep_old_days: int | None) -> None:
    """Make a new client secret and show it this once; the old one is void at once, or stays good for some days."""
    with at_work() as bundle:
        fresh = bundle.portals.renew_secret(slug, timedelta(days=keep_old_days or 0))
        db.session.commit()
        click.echo(fresh)


@portal.command("end-secret", epilog="Example: connect portal end-secret cpx")
@click.argument("slug")
def end_secret(slug: str) -> None:
    """Void the older of two client secrets, once the portal uses the new one."""
    with at_work() as bundle:
        bundle.portal_secrets.end_previous(bundle.portals.load(slug))
        db.session.commit()
        click.echo(f"the older secret of portal {slug} is void")


@portal.command(epilog="Example: connect portal disable cpx")
@click.argument("slug")
def disable(slug: str) -> None:
    """Close a portal: nobody signs in to it any more; its records stay."""
    with at_work() as bundle:
        bundle.portals.disable(slug)
        db.session.commit()
        click.echo(f"portal {slug} is disabled")


@portal.command(epilog="Example: connect portal enable cpx")
@click.argument("slug")
def enable(slug: str) -> None:
    """Open a disabled portal again, as it was."""
    with at_work() as bundle:
        bundle.portals.enable(slug)
        db.session.commit()
        click.echo(f"portal {slug} is enabled")


@portal.command(
    epilog="Example: connect portal invite --slug cpx --name-fr 'Caisse X' --short-name 'Caisse X' "
    "--phone '058 123 45 67' --email aide@cpx.example.ch --home-url https://cpx.example.ch/ --valid-days 14"
)
@click.option("--slug", help="stands in addresses and on letters, never changes")
@options_for(OPERATOR_FIELDS)
@click.option("--valid-days", type=click.IntRange(1, 90), default=14, show_default=True, help="life of the token")
def invite(slug: str | None, valid_days: int, **options: Any) -> None:
    """Let a developer register the portal described here: prints a token that works once (RFC 7591)."""
    said = given(options)
    if slug is not None:
        said["slug"] = slug
    with at_work() as bundle:
        token, expires_at = bundle.invites.invite(said, timedelta(days=valid_days))
        db.session.commit()
        click.echo(f"registration_endpoint  {bundle.settings.issuer}/register")
        click.echo(f"initial_access_token   {token}")
        click.echo(f"Works once, until {swiss(expires_at):%d.%m.%Y %H:%M}; hand it to the developer on a safe way.")


@portal.command("test", epilog="Example: connect portal test cpx")
@click.argument("slug")
def self_test(slug: str) -> None:
    """Print the address of a self-test page for the portal's developer; it opens for a day and shows no secret."""
    with at_work() as bundle:
        row = bundle.portals.load(slug)
        if row.is_disabled:
            fail(f"portal {slug} is disabled")
        handle, until = bundle.self_tests.handle(row)
        click.echo(f"{bundle.settings.issuer}/selftest/{handle}")
        click.echo(f"Opens until {swiss(until):%d.%m.%Y %H:%M}. The developer presses the button there and signs in.")
