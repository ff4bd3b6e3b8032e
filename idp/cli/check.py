"""`connect check`: is everything there that the service needs?"""

from __future__ import annotations

import click

from idp.cli.context import at_work, fail
from idp.services import schema
from keys.jwk import ALGORITHMS
from keys.ring import ACTIVE


@click.command(epilog="Example: connect check && echo ready")
def check() -> None:
    """Say what is wrong with the configuration, the database and the signing keys; exit 0 when nothing is."""
    with at_work() as bundle:
        current, newest = schema.current(), schema.newest()
        if current != newest:
            fail(f"the database is at {current or 'nothing'}, this release needs {newest}: run `connect db upgrade`")
        active = {row.alg for row in bundle.keyring.rows() if row.state == ACTIVE}
        missing = [alg for alg in ALGORITHMS if alg not in active]
        if missing:
            fail(f"no active signing key for {', '.join(missing)}: run `connect key rotate`")
        portals = [portal for portal in bundle.portals.all() if not portal.is_disabled]
        click.echo(f"all well: schema {current}, {len(active)} signing keys, {len(portals)} portals")
