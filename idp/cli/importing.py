"""`connect import`: files of persons that a fund's own system leaves in a folder."""

from __future__ import annotations

from pathlib import Path

import click
from flask import current_app

from idp.cli.context import at_work
from idp.services.import_folder import FolderWatch
from idp.services.import_worker import ImportWorker


@click.group("import")
def import_() -> None:
    """Imports of persons as jobs."""


@import_.command(epilog="Example: connect import watch imports")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def watch(folder: Path) -> None:
    """Import what lies in a folder now, once: FOLDER/<slug>/*.csv and *.xlsx.

    What is clean is imported and moved to done/; what has errors, or columns that nobody named yet, waits for an
    operator in the console and is moved to failed/, with a report beside it. A file that changed within the last ten
    seconds may still be written and is left for the next time. The worker does the same every half minute for the
    folder of the setting CONNECT_IMPORT_FOLDER.
    """
    with at_work() as bundle:
        looking = FolderWatch(bundle, folder)
        looking.look()
        ImportWorker(current_app._get_current_object()).run_once()  # type: ignore[attr-defined]
        click.echo(f"{looking.look()} files were dealt with; the reports stand beside them in done and failed")
