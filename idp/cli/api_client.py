"""`connect api-client`: the machines that may use the admin API."""

from __future__ import annotations

from datetime import timedelta

import click

from idp.cli.context import at_work
from idp.models.base import db
from idp.services.permissions import Scope

SHOWN_ONCE = "The secret is shown this once; `connect api-client secret` makes a new one."


@click.group("api-client")
def api_client() -> None:
    """Clients of the admin API: a fund's own systems."""


@api_client.command(
    epilog="Example: connect api-client add 'Pension system of fund X' --portal cpx --scope persons:read "
    "--scope persons:write"
)
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(list(map(str, Scope))), help="may be repeated")
@click.option("--portal", "slug", help="slug of the one portal it counts at; without it, at all portals")
def add(name: str, scopes: tuple[str, ...], slug: str | None) -> None:
    """Register a client of the API. Its secret is shown this once."""
    with at_work() as bundle:
        client, secret = bundle.api_clients.add(name, scopes, slug)
        db.session.commit()
        click.echo(f"client_id      {client.client_id}\nclient_secret  {secret}\n{SHOWN_ONCE}")


@api_client.command("list", epilog="Example: connect api-client list")
def show() -> None:
    """Every client: id, where it counts, when it was last used, scopes, name."""
    with at_work() as bundle:
        slugs = {row.id: row.slug for row in bundle.portals.all()}
        for row in bundle.api_clients.all():
            used = f"{row.used_at:%Y-%m-%d}" if row.used_at else "never"
            place = slugs[row.portal_id] if row.portal_id else "(all portals)"
            click.echo(f"{row.client_id}  {place}  {used}  {' '.join(row.scopes)}  {row.name}")


@api_client.command(epilog="Example: connect api-client secret cc_api_x --keep-old-days 14")
@click.argument("client_id")
@click.option("--keep-old-days", type=click.IntRange(1, 90), help="how long the old one stays good beside it")
def secret(client_id: str, keep_old_days: int | None) -> None:
    """Make a new secret and show it this once; the old one is void at once, or stays good for some days."""
    with at_work() as bundle:
        fresh = bundle.api_clients.renew(bundle.api_clients.load(client_id), timedelta(days=keep_old_days or 0))
        db.session.commit()
        click.echo(fresh)


@api_client.command("end-secret", epilog="Example: connect api-client end-secret cc_api_x")
@click.argument("client_id")
def end_secret(client_id: str) -> None:
    """Void the older of two secrets, once the client uses the new one."""
    with at_work() as bundle:
        bundle.api_clients.end_previous(bundle.api_clients.load(client_id))
        db.session.commit()
        click.echo(f"the older secret of {client_id} is void")


@api_client.command(epilog="Example: connect api-client revoke cc_api_x")
@click.argument("client_id")
def revoke(client_id: str) -> None:
    """End a client for good; its tokens are void at once."""
    with at_work() as bundle:
        bundle.api_clients.revoke(bundle.api_clients.load(client_id))
        db.session.commit()
        click.echo(f"{client_id} is revoked")
