"""`connect outbox`: mail and SMS that could not be delivered."""

from __future__ import annotations

import click
from sqlalchemy import select

from idp.cli.context import at_work
from idp.models.base import db
from idp.models.outbox import OutboxMessage, hurry


@click.group()
def outbox() -> None:
    """Messages on their way, and those that were given up."""


@outbox.command("list", epilog="Example: connect outbox list --state dead")
@click.option(
    "--state",
    type=click.Choice(["waiting", "sending", "dead", "expired", "sent", "delivered", "bounced"]),
    default="dead",
    show_default=True,
    help="which messages",
)
def show(state: str) -> None:
    """Messages of one state, newest first: when, channel, tries, why. Recipients and contents stay sealed."""
    with at_work():
        rows = db.session.scalars(
            select(OutboxMessage)
            .where(OutboxMessage.state == state)
            .order_by(OutboxMessage.created_at.desc())
            .limit(200)
        )
        for row in rows:
            click.echo(f"{row.created_at:%Y-%m-%d %H:%M} {row.channel:4} tries {row.tries} {row.last_error or ''}")


@outbox.command(epilog="Example: connect outbox retry")
def retry() -> None:
    """Try the messages again that wait for a later try, now."""
    with at_work() as bundle:
        count = hurry(bundle.clock.now())
        db.session.commit()
        click.echo(f"{count} messages are tried again")
