"""`connect audit`: prove that the record of events is whole, and set anchors outside of the database."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from idp.cli.context import at_work, fail
from idp.services.audit_chain import read_anchors, verify, write_anchor
from idp.services.audit_redaction import redact_account, redact_old


@click.group()
def audit() -> None:
    """The record of events."""


@audit.command("verify", epilog="Example: connect audit verify --anchors anchors.jsonl")
@click.option(
    "--anchors", type=click.Path(exists=True, path_type=Path),
    help="file of anchors; without one, a chain that was cut short is not seen",
)  # fmt: skip
def verify_chain(anchors: Path | None) -> None:
    """Walk the whole chain; names the first event that was changed, removed, added or moved.

    Ends with 1 when something is wrong. Needs the master key, as the chain cannot be made without it.
    """
    with at_work() as bundle:
        found = verify(bundle.vault, read_anchors(anchors) if anchors else ())
        if found.broken is not None:
            where = f"event {found.broken.event_id}" if found.broken.event_id else f"link {found.broken.number}"
            fail(f"{found.links} links are good; then {where}: {found.broken.what}")
        click.echo(f"{found.links} links are good")
        for day, count in sorted(found.redacted.items()):
            click.echo(f"{count} of them redacted on {day:%Y-%m-%d}")


@audit.command("redact", epilog="Example: connect audit redact")
@click.option("--account", type=click.UUID, help="everything of this account, instead of what is old")
def redact(account: UUID | None) -> None:
    """Empty what is personal in events whose time is over; the chain stays whole.

    The worker does so every hour, where the role of the database lets it.
    """
    with at_work() as bundle:
        count = redact_account(bundle, account) if account else redact_old(bundle)
        click.echo(f"{count} events are redacted")


@audit.command("anchor", epilog="Example: connect audit anchor")
def anchor() -> None:
    """Add the newest link to the file CONNECT_AUDIT_ANCHORS now; the worker does so every hour."""
    with at_work() as bundle:
        if bundle.settings.audit_anchors is None:
            fail("CONNECT_AUDIT_ANCHORS names no file")
        write_anchor(bundle)
