"""`connect webhook`: where portals hear of events."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import click

from idp.cli.context import at_work, fail
from idp.models.base import db
from idp.models.webhook import Webhook
from idp.services.bundle import Services
from idp.services.webhook_events import WebhookEvent

SHOWN = 200
SLUG = click.option("--portal", "slug", required=True, help="slug of the portal")


@click.group()
def webhook() -> None:
    """Webhooks: signed messages to a portal's own server when something happens."""


@webhook.command(
    epilog="Example: connect webhook add https://cpx.example.ch/hooks --portal cpx --event person.registered"
)
@click.argument("url")
@SLUG
@click.option(
    "--event", "events", multiple=True, type=click.Choice(list(map(str, WebhookEvent))), help="may be repeated"
)
def add(url: str, slug: str, events: tuple[str, ...]) -> None:
    """Send these events of a portal's persons there. The secret for the signatures is shown this once."""
    with at_work() as bundle:
        hook, secret = bundle.webhooks.add(bundle.portals.load(slug), url, events)
        db.session.commit()
        click.echo(f"webhook  {hook.id}\nsecret   {secret}")


@webhook.command("list", epilog="Example: connect webhook list --portal cpx")
@SLUG
def show(slug: str) -> None:
    """Every webhook of a portal: id, state, address, events."""
    with at_work() as bundle:
        for row in bundle.webhooks.of_portal(bundle.portals.load(slug)):
            state = "disabled" if row.disabled_at else "failing" if row.failing_since else "open"
            click.echo(f"{row.id}  {state}  {row.url}  {' '.join(row.events)}")


@webhook.command(epilog="Example: connect webhook secret 01890000-0000-7000-8000-000000000000 --portal cpx")
@click.argument("ident", type=click.UUID)
@SLUG
@click.option(
    "--keep-old-days", type=click.IntRange(0, 30), default=1, show_default=True, help="how long both secrets sign"
)
def secret(ident: UUID, slug: str, keep_old_days: int) -> None:
    """Make a new secret and show it this once."""
    with at_work() as bundle:
        fresh = bundle.webhooks.renew(_load(bundle, slug, ident), timedelta(days=keep_old_days))
        db.session.commit()
        click.echo(fresh)


@webhook.command(epilog="Example: connect webhook enable 01890000-0000-7000-8000-000000000000 --portal cpx")
@click.argument("ident", type=click.UUID)
@SLUG
def enable(ident: UUID, slug: str) -> None:
    """Send there again, after it failed for days and was disabled."""
    with at_work() as bundle:
        bundle.webhooks.enable(_load(bundle, slug, ident))
        db.session.commit()
        click.echo(f"{ident} is enabled")


@webhook.command(epilog="Example: connect webhook remove 01890000-0000-7000-8000-000000000000 --portal cpx")
@click.argument("ident", type=click.UUID)
@SLUG
def remove(ident: UUID, slug: str) -> None:
    """Send nothing there any more, and forget what was sent."""
    with at_work() as bundle:
        bundle.webhooks.remove(_load(bundle, slug, ident))
        db.session.commit()
        click.echo(f"{ident} is removed")


@webhook.command(epilog="Example: connect webhook log 01890000-0000-7000-8000-000000000000 --portal cpx")
@click.argument("ident", type=click.UUID)
@SLUG
def log(ident: UUID, slug: str) -> None:
    """What was sent there: id, when, event, state, tries, the last status that came back."""
    with at_work() as bundle:
        for row, message in bundle.webhooks.log(_load(bundle, slug, ident), None, SHOWN):
            state, tries = (message.state, message.tries) if message else ("forgotten", 0)
            click.echo(f"{row.id}  {row.created_at:%Y-%m-%d %H:%M}  {row.event}  {state}  {tries}  {row.answer or '-'}")


@webhook.command(
    epilog="Example: connect webhook again 01890000-0000-7000-8000-000000000000 01890000-0000-7000-8000-000000000001 "
    "--portal cpx"
)
@click.argument("ident", type=click.UUID)
@click.argument("delivery", type=click.UUID)
@SLUG
def again(ident: UUID, delivery: UUID, slug: str) -> None:
    """Send a message of the log again, under the id it had."""
    with at_work() as bundle:
        if bundle.webhooks.redeliver(_load(bundle, slug, ident), delivery) is None:
            fail(f"{delivery} is no message of this webhook; `connect webhook log` shows them")
        db.session.commit()
        click.echo(f"{delivery} is sent again")


def _load(bundle: Services, slug: str, ident: UUID) -> Webhook:
    found = bundle.webhooks.find(bundle.portals.load(slug), ident)
    if found is None:
        fail(f"{slug} has no webhook {ident}; `connect webhook list` shows them")
    return found
