"""`connect key`: the signing ring and the master key."""

from __future__ import annotations

from datetime import datetime

import click

from idp.cli.context import at_work
from idp.clock import swiss
from idp.models.base import db
from idp.services.audit import AuditTag
from keys.jwk import ALGORITHMS
from keys.master import new_master_key
from keys.ring import ACTIVE

UNREAD = "a portal that keeps our keys for long may refuse sign-ins until it reads them again"


@click.group()
def key() -> None:
    """Signing keys and the master key."""


@key.command("list", epilog="Example: connect key list")
def show() -> None:
    """Every signing key: algorithm, state, since when, kid; of one that signs, until when."""
    with at_work() as bundle:
        calendar = bundle.keyring.calendar()
        for row in bundle.keyring.rows():
            until = f"  until {swiss(calendar[row.alg]):%Y-%m-%d}" if row.state == ACTIVE else ""
            click.echo(f"{row.alg:6} {row.state:9} {row.state_since:%Y-%m-%d %H:%M}  {row.kid}{until}")


@key.command(epilog="Example: connect key rotate --alg RS256")
@click.option("--alg", type=click.Choice(ALGORITHMS), help="only this algorithm; all when left out")
def rotate(alg: str | None) -> None:
    """Let the announced keys sign from now on and announce new ones; on an empty ring make the first.

    The worker does so by the calendar (CONNECT_KEY_ACTIVE_FOR); by hand it is for the first keys and for emergencies.
    """
    with at_work() as bundle:
        if not bundle.keyring.rows():
            bundle.keyring.ensure()
            active = [row.kid for row in bundle.keyring.rows() if row.state == ACTIVE]
        else:
            young = bundle.keyring.announced_lately(alg)
            active = bundle.keyring.rotate(alg)
            if young:
                click.echo(f"note: {', '.join(young)}: announced less than a day ago; {UNREAD}", err=True)
        bundle.audit.record(AuditTag.KEY_ROTATED, alg=alg or "all")
        db.session.commit()
        for kid in active:
            click.echo(f"now signing: {kid}")


@key.command(epilog="Example: connect key plan --on 2027-01-15")
@click.option(
    "--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="the day; left out, by age (CONNECT_KEY_ACTIVE_FOR)"
)
@click.option("--alg", type=click.Choice(ALGORITHMS), help="only this algorithm; all when left out")
def plan(day: datetime | None, alg: str | None) -> None:
    """Let the worker rotate at the beginning of a day, in Swiss time."""
    with at_work() as bundle:
        algs = bundle.key_calendar.plan(alg, day.date() if day else None)
        db.session.commit()
        click.echo(" ".join(algs) if algs else "there are no keys yet: connect key rotate")


@key.command("new-master", epilog="Example: connect key new-master > master.key")
def new_master() -> None:
    """Print a fresh master key: 32 random bytes in base64. Whoever has it can open every secret; keep it apart."""
    click.echo(new_master_key())
