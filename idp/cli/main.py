"""The command `connect`: the same nouns as the operators' pages, calling the same services."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import click

from idp.cli.admin import admin
from idp.cli.api_client import api_client
from idp.cli.audit import audit
from idp.cli.check import check
from idp.cli.code import code
from idp.cli.completion import completion
from idp.cli.config import config
from idp.cli.database import database
from idp.cli.importing import import_
from idp.cli.key import key
from idp.cli.letter import letter
from idp.cli.outbox import outbox
from idp.cli.person import person
from idp.cli.portal import portal
from idp.cli.settings import settings
from idp.cli.webhook import webhook
from idp.cli.worker import worker
from idp.web import log


def _version() -> str:
    try:
        return version("connect-idp")
    except PackageNotFoundError:
        return "(source tree)"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(_version(), prog_name="connect", message="%(prog)s %(version)s")
def main() -> None:
    """Connect: register portals, import insured persons, issue letter codes, keep the keys.

    Every command reads its configuration from the environment (CONNECT_…); `connect check` says what is wrong with it.
    """


def run() -> None:
    """What a shell starts: what goes wrong is told on stderr, never among what a command says."""
    log.configure("error")
    main()


for command in (
    admin, api_client, audit, check, code, completion, config, database, import_, key, letter, outbox, person, portal,
    settings, webhook, worker,
):  # fmt: skip
    main.add_command(command)
