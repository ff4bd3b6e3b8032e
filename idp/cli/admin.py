"""`connect admin`: the operators of the console, and the first of them."""

from __future__ import annotations

import click

from idp.cli.context import at_work
from idp.models.base import db
from idp.services.operators import roles_words
from idp.services.permissions import Role


@click.group()
def admin() -> None:
    """Operators of the console under /admin."""


@admin.command(epilog="Example: connect admin bootstrap claire@fund.example.ch")
@click.argument("email")
def bootstrap(email: str) -> None:
    """Print a link, good for a day and for one use, by which this address becomes a superuser.

    For the first operator of an installation, and for the day on which nobody can sign in any more. Nobody can use the
    console of a fresh installation before.
    """
    with at_work() as bundle:
        secret, invitation = bundle.operators.invite(email, [Role.SUPERUSER], None)
        db.session.commit()
        click.echo(f"{bundle.settings.issuer}/admin/invitation#{secret}")
        click.echo(f"for {invitation.email}, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC, once", err=True)


@admin.command("list", epilog="Example: connect admin list")
def show() -> None:
    """Every operator: address, state, roles."""
    with at_work() as bundle:
        for operator, account in bundle.operators.everybody():
            state = "paused" if operator.paused_at else account.status
            click.echo(f"{account.email}  {state}  {' '.join(roles_words(account.id)) or '-'}")


@admin.command("change", epilog="Example: connect admin change claire@fund.example.ch --role support@cpx --role reader")
@click.argument("email")
@click.option("--role", "roles", multiple=True, help="support, or support@cpx for one portal; none takes all away")
def change(email: str, roles: tuple[str, ...]) -> None:
    """Replace the roles of an operator, from the machine itself."""
    with at_work() as bundle:
        account = bundle.operators.load(email)
        bundle.operators.change_roles(account.id, roles, None)
        db.session.commit()
        click.echo(f"{account.email}  {' '.join(roles_words(account.id)) or '-'}")
