"""`connect check`: is everything there that the service needs?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from sqlalchemy.exc import DBAPIError

from idp.cli.context import at_work, fail, in_words
from idp.errors import BadInput
from idp.models.base import db
from idp.services import reachability, schema
from idp.services.bundle import Services
from idp.services.portal_details import PortalDetails, judge
from keys.jwk import ALGORITHMS
from keys.ring import ACTIVE


@click.command(epilog="Example: connect check && echo ready")
def check() -> None:
    """Say everything that is wrong; exit 0 when nothing is.

    Looked at: the configuration, the database and its schema, the signing keys and whether the master key opens them,
    the portals, and whether mail server, SMS gateway and Redis can be reached and trusted. Nothing is changed or sent.
    """
    with at_work(knows_choices=False) as bundle:
        faults = [*_database(bundle), *_outside(bundle)]
        if faults:
            fail(*faults)
        portals = [portal for portal in bundle.portals.all() if not portal.is_disabled]
        click.echo(f"all well: schema {schema.current()}, {len(bundle.keyring.rows())} keys, {len(portals)} portals")


def _database(bundle: Services) -> Iterator[str]:
    url = db.engine.url
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        yield f"there is no database file {url.database}: run `connect db upgrade`"  # looking into it would make it
        return
    try:
        current, newest = schema.current(), schema.newest()
        if current is not None and current > newest:
            yield f"the database is at {current}, this release knows {newest}: install the release it belongs to"
        elif current != newest:
            yield f"the database is at {current or 'nothing'}, this release needs {newest}: run `connect db upgrade`"
        else:
            yield from _keys(bundle)
            yield from _portals(bundle)
    except DBAPIError as error:
        yield in_words(error)[0]


def _keys(bundle: Services) -> Iterator[str]:
    active = {row.alg for row in bundle.keyring.rows() if row.state == ACTIVE}
    if missing := [alg for alg in ALGORITHMS if alg not in active]:
        yield f"no active signing key for {', '.join(missing)}: run `connect key rotate`"
    if unreadable := bundle.keyring.unreadable():
        yield f"the master key does not open {len(unreadable)} signing keys: they were sealed under another one"


def _portals(bundle: Services) -> Iterator[str]:
    for portal in bundle.portals.all():
        if portal.is_disabled:
            continue
        try:
            judge({name: getattr(portal, name) for name in PortalDetails.model_fields})
        except BadInput as error:
            yield from (f"portal {portal.slug}: {line}" for line in error.message.splitlines())
        if portal.client_secret_hash is None and portal.token_endpoint_auth_method != "private_key_jwt":
            yield f"portal {portal.slug}: it has no client secret: run `connect portal secret {portal.slug}`"


def _outside(bundle: Services) -> Iterator[str]:
    looks = (reachability.mail_fault, reachability.sms_fault, reachability.redis_fault)
    yield from (fault for look in looks if (fault := look(bundle.settings)))
    if (second := bundle.settings.sms_fallback) and (fault := reachability.sms_fault(second)):
        yield fault
